"""Compares backbones by time, memory, parameters and FLOPs, and by accuracy.

tools/benchmark.py speed NAME...     backbones side by side
tools/benchmark.py growth NAME...    exponents over the area of the image
tools/benchmark.py step CONFIG...    a training step of detectors
tools/benchmark.py accuracy RUN...   predictions, with intervals

Names of backbones: vitdense.PVT:v2-b2, mmdet.ResNet{"depth": 50},
mypackage.MyNet:tiny, timm:pvt_v2_b2, transformers:cvt, plain.PVT:v2-b2
(vitdense's written out plainly). A detector's backbone is exchanged by
CONFIG@NAME.
"""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

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


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for name, size, text in (
        ('speed', '224', 'compare backbones'),
        ('growth', GROWTH_SIZES, 'fit how cost grows with image area'),
        ('step', '800x1344', 'compare training steps of detectors'),
    ):
        _add_options(commands.add_parser(name, help=text), name, size)
    _add_accuracy_options(
        commands.add_parser(
            'accuracy', help='compare predictions, with intervals'
        )
    )
    return parser.parse_args()


def _add_accuracy_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='RUN',
        help='NAME=RESULTS.json of COCO, or NAME=FOLDER of label PNGs; '
        'several seeds of a training: NAME=FIRST,SECOND',
    )
    parser.add_argument(
        '--annotations',
        required=True,
        type=Path,
        help="the truth: COCO's file, or a folder of label PNGs",
    )
    parser.add_argument(
        '--resamples',
        type=int,
        default=1000,
        help='how often images are drawn for the intervals',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of these drawings'
    )
    parser.add_argument('--json', type=Path, help='file for all figures')
    parser.add_argument('--csv', type=Path, help='file for all figures')
    parser.add_argument('--markdown', type=Path, help='file for the tables')


def _add_options(
    parser: argparse.ArgumentParser, command: str, size: str
) -> None:
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
        default=size,
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


def check_folders(*files: Path | None) -> None:
    for path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f'there is no folder {path.parent}')


def read_comparison(
    args: argparse.Namespace, size: tuple[int, int]
) -> Comparison:
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
    with Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
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


def compare_accuracy(args: argparse.Namespace) -> int:
    """Scores and shows."""
    try:
        # backbones are compared without what these need
        from vitdense.benchmark.accuracy import tables as accuracy_tables
        from vitdense.benchmark.accuracy.compare import compare_models
        from vitdense.benchmark.accuracy.resampling import LEAST_RESAMPLES
        from vitdense.benchmark.accuracy.runs import read_figures
    except ModuleNotFoundError as error:
        print(
            f'error: accuracy: {error.name} is not installed; vitdense has it '
            'as the extra accuracy: pip install -e .[accuracy], in its folder',
            file=sys.stderr,
        )
        return 2
    try:
        check_folders(args.json, args.csv, args.markdown)
        if args.resamples < LEAST_RESAMPLES:
            raise ValueError(
                f'--resamples {args.resamples}: an interval needs '
                f'{LEAST_RESAMPLES} or more'
            )
        models = read_figures(args.runs, args.annotations)
        accuracy = compare_models(models, args.resamples, args.seed)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    accuracy_tables.show(accuracy, console())
    if args.json is not None:
        context = {'command': shlex.join(sys.argv)}
        accuracy_tables.write_json(args.json, accuracy, context)
    if args.csv is not None:
        accuracy_tables.write_csv(args.csv, accuracy)
    if args.markdown is not None:
        accuracy_tables.write_markdown(args.markdown, accuracy)
    return 0


def main() -> int:
    args = parse_args()
    if args.command == 'accuracy':
        return compare_accuracy(args)
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


if __name__ == '__main__':
    sys.exit(main())
