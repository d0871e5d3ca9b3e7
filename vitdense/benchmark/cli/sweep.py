"""sweep: trains backbones under one recipe, and compares them."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from vitdense.benchmark.cli import accuracy
from vitdense.benchmark.cli.shared import progress_bar
from vitdense.benchmark.cost.measure import (
    Comparison,
    CostRow,
    Entry,
    compare,
)
from vitdense.benchmark.cost.settings import Settings, parse_size
from vitdense.benchmark.cost.tables import console, show_rows


class Texts(DictAction):
    """Keeps the settings, and as they were written too."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take ``KEY=VALUE ...``."""
        namespace.cfg_texts = list(values)
        super().__call__(parser, namespace, values, option_string)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        '--recipe',
        required=True,
        help='a file of configs/_base_/recipes, by name, or any config',
    )
    parser.add_argument(
        '--backbones',
        nargs='+',
        required=True,
        metavar='NAME',
        help='files of configs/_base_/backbones, by name; a CONFIG.py, whose '
        'backbone is meant; mmdet.ResNet:50, mmdet.ResNet{"depth": 50} or '
        'the like of any library; OTHER= before any of them names its runs',
    )
    parser.add_argument(
        '--seeds', type=int, default=1, help='trainings of each'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='where all is written; else work_dirs/sweep_<recipe>',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Texts,
        metavar='KEY=VALUE',
        help='settings that replace those of the recipe',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision'
    )
    parser.add_argument(
        '--submit',
        nargs='+',
        metavar='KEY=VALUE',
        help='queue what is not trained yet as jobs of Slurm, as '
        'tools/train.py does, and compare nothing yet',
    )
    parser.add_argument(
        '--size',
        default='800x1344',
        help='of the image that cost is measured on: HEIGHTxWIDTH, pixels',
    )
    parser.add_argument(
        '--device', default='cpu', help='of that: cpu, cuda or cuda:N'
    )
    parser.add_argument(
        '--repeats', type=int, default=5, help='of that: runs timed'
    )
    accuracy.add_shared_options(parser)
    parser.set_defaults(
        cfg_texts=[], annotations=None, predictions=None, trust_pickle=False
    )


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet, measure, compare; the exit code."""
    try:
        return _run(args)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('error: interrupted; the same command goes on', file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    from vitdense.benchmark.sweep.backbones import read_backbones
    from vitdense.benchmark.sweep.compose import find_recipe
    from vitdense.benchmark.sweep.training import plan, train

    accuracy.check_shared_options(args)
    if args.seeds < 1:
        raise ValueError(f'--seeds {args.seeds} is less than 1')
    height, width = parse_size(args.size)
    settings = Settings(
        device=args.device, height=height, width=width, repeats=args.repeats
    )
    recipe = find_recipe(args.recipe)
    backbones = read_backbones(args.backbones)
    work_dir = args.work_dir or Path('work_dirs') / f'sweep_{recipe.stem}'
    options = args.cfg_options or {}
    trainings = plan(recipe, backbones, args.seeds, work_dir, options)
    given = ['--cfg-options', *args.cfg_texts] if args.cfg_texts else []
    given += ['--amp'] * args.amp
    submit = args.submit or ()
    for line in train(trainings, options, given, submit=submit):
        print(line, flush=True)
    if args.submit:
        print('when the jobs are done, the same without --submit compares')
        return 0
    rows = _measure([(each.name, each.spec) for each in backbones], settings)
    runs: dict[str, list[str]] = {each.name: [] for each in backbones}
    for each in trainings:
        runs[each.backbone].append(str(each.work_dir))
    named = [f'{name}={",".join(paths)}' for name, paths in runs.items()]
    compared = accuracy.compare_runs(args, named, {})
    show_rows(rows, console())
    accuracy.write(args, compared, rows)
    return int(any(row.error is not None for row in rows))


def _measure(
    names: Sequence[tuple[str, str]], settings: Settings
) -> list[CostRow]:
    """The cost of backbones, under the names of their runs."""
    comparison = Comparison(
        'backbone', [Entry(spec) for _, spec in names], settings
    )
    short = {spec: name for name, spec in names}
    with progress_bar() as progress:
        task = progress.add_task('', total=comparison.count_ticks())
        return [
            dataclasses.replace(row, name=short[row.name])
            for row in compare(
                comparison,
                lambda spec: progress.update(
                    task, advance=1, description=short.get(spec, spec)
                ),
            )
        ]
