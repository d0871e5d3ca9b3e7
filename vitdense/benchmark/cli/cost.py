"""speed, growth and step: what models cost."""

import argparse
import shlex
import sys
from pathlib import Path

from vitdense.benchmark.cli.shared import check_folders, progress_bar
from vitdense.benchmark.cost.growth import Growth, measure_growth
from vitdense.benchmark.cost.measure import (
    Comparison,
    CostRow,
    Entry,
    compare,
)
from vitdense.benchmark.cost.settings import DTYPES, Settings, parse_size
from vitdense.benchmark.cost.tables import (
    console,
    show_growth,
    show_rows,
    write_csv,
    write_json,
)

GROWTH_SIZES = '256,384,512,768,1024,1536'
COMMANDS = {
    'speed': ('224', 'compare backbones'),
    'growth': (GROWTH_SIZES, 'fit how cost grows with image area'),
    'step': ('800x1344', 'compare training steps of detectors'),
}


def add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of one of `COMMANDS`."""
    parser.add_argument('names', nargs='+', metavar='NAME')
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--dtype',
        default='float32',
        choices=DTYPES,
        help='half precision runs under autocast',
    )
    parser.add_argument(
        '--size',
        default=COMMANDS[command][0],
        help='HEIGHTxWIDTH or one number, in pixels'
        + ('; several, with commas' if command == 'growth' else ''),
    )
    parser.add_argument('--batch', type=int, default=1, help='images')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the backbone, for this size',
    )
    parser.add_argument('--threads', type=int, help='of the CPU')
    parser.add_argument(
        '--warmup', type=int, default=1, help='runs before those timed'
    )
    parser.add_argument('--repeats', type=int, default=5, help='runs timed')
    parser.add_argument('--json', type=Path, help='file for all figures')
    parser.add_argument('--csv', type=Path, help='file for the table')
    parser.add_argument(
        '--python', help='interpreter for the rows, if not this one'
    )
    if command != 'growth':
        parser.add_argument('--baseline', metavar='NAME')
        parser.add_argument(
            '--baseline-python',
            help='interpreter for the baseline, if not this one',
        )
    if command == 'speed':
        parser.add_argument(
            '--check',
            action='store_true',
            help='compare outputs with those of the plain form, where a '
            'backbone has one',
        )


def read_comparison(
    args: argparse.Namespace, size: tuple[int, int]
) -> Comparison:
    """What is asked.

    Raises:
        ValueError, OSError: If it cannot be done.
    """
    baseline = getattr(args, 'baseline', None)
    if baseline is None and getattr(args, 'baseline_python', None):
        raise ValueError('--baseline-python is given without --baseline')
    check_folders(args.json, args.csv)
    return Comparison(
        'step' if args.command == 'step' else 'backbone',
        [Entry(name, args.python) for name in args.names],
        Settings(
            device=args.device,
            dtype=args.dtype,
            height=size[0],
            width=size[1],
            batch=args.batch,
            compiled=args.compile,
            threads=args.threads,
            warmup=args.warmup,
            repeats=args.repeats,
        ),
        Entry(baseline, args.baseline_python) if baseline else None,
        check=getattr(args, 'check', False),
    )


def measure(
    args: argparse.Namespace,
    comparison: Comparison,
    sizes: list[tuple[int, int]],
) -> list[CostRow]:
    """Measures and shows; an interrupt ends it and keeps what there is."""
    growths: list[Growth] = []
    rows: list[CostRow] = []
    with progress_bar() as progress:
        task = progress.add_task(
            '', total=comparison.count_ticks() * len(sizes)
        )

        def tick(name: str) -> None:
            progress.update(task, advance=1, description=name)

        try:
            if args.command == 'growth':
                for growth in measure_growth(comparison, sizes, tick):
                    growths.append(growth)
                    rows += growth.rows
            else:
                for row in compare(comparison, tick):
                    rows.append(row)
        except KeyboardInterrupt:
            print('error: interrupted; some rows are missing', file=sys.stderr)
    if args.command == 'growth':
        show_growth(growths, console())
    else:
        show_rows(rows, console())
    return rows


def run(args: argparse.Namespace) -> int:
    """Measure, show and write; gives the exit code."""
    try:
        sizes = [parse_size(text) for text in args.size.split(',')]
        if len(sizes) > 1 and args.command != 'growth':
            raise ValueError(f'--size {args.size} has more than one size')
        comparison = read_comparison(args, sizes[0])
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    rows = measure(args, comparison, sizes)
    if args.json is not None:
        write_json(args.json, rows, {'command': shlex.join(sys.argv)})
    if args.csv is not None and rows:
        write_csv(args.csv, rows)
    expected = len(comparison.all_entries()) * len(sizes)
    done = [row for row in rows if row.error is None]
    return int(len(done) < expected)
