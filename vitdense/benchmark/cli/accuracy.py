"""accuracy: what models score, with intervals."""

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mmengine.config import DictAction

from vitdense.benchmark.cli.shared import check_folders, progress_bar
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.tables import cells, console, flatten

if TYPE_CHECKING:
    from vitdense.benchmark.accuracy.compare import Comparison, Figures
    from vitdense.benchmark.accuracy.model_run import ModelRun

LAUNCHERS = ('none', 'pytorch')


class Compared(NamedTuple):
    """What was compared.

    Attributes:
        comparison: Of the models.
        figures: Of each model's runs, by name.
        runs: What is known of them.
    """

    comparison: 'Comparison'
    figures: 'Mapping[str, Sequence[Figures]]'
    runs: 'Mapping[str, Sequence[ModelRun]]'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='RUN',
        help='a work folder of tools/train.py; CONFIG.py:CHECKPOINT; '
        'NAME=RESULTS.json of COCO, or NAME=FOLDER of label PNGs; NAME= '
        'before any of them; several seeds of a training: NAME=FIRST,SECOND',
    )
    parser.add_argument(
        '--annotations',
        type=Path,
        help="the truth: COCO's file, or a folder of label PNGs; not needed "
        'where a run has a config',
    )
    parser.add_argument(
        '--predictions',
        type=Path,
        metavar='DIR',
        help='where predictions are kept; else in each work folder, or '
        'beside the checkpoint',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of all configs',
    )
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='run the code that checkpoints hold; only for your own files',
    )
    add_shared_options(parser)


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add what a sweep takes too, which ends in a comparison."""
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='pytorch: share the images of each run among --processes',
    )
    parser.add_argument(
        '--processes',
        type=int,
        metavar='N',
        help='with --launcher pytorch: how many, one a GPU',
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
    parser.add_argument(
        '--page',
        type=Path,
        metavar='FILE.html',
        help='file for the page of all that is known, with pictures',
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='DIR',
        help='of the pictures that --page shows, where no run has a config',
    )
    parser.add_argument(
        '--inline-pictures',
        action='store_true',
        help='put them into the page, not into a folder beside it',
    )


def run(args: argparse.Namespace) -> int:
    """Predict what is missing, score, show and write; gives the exit code."""
    try:
        check_shared_options(args)
        compared = compare_runs(args, args.runs, args.cfg_options or {})
        write(args, compared)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('error: interrupted; the same command goes on', file=sys.stderr)
        return 130
    return 0


def check_shared_options(args: argparse.Namespace) -> None:
    """See that what is asked can be done, before anything is.

    Raises:
        ValueError, OSError: If it cannot.
    """
    try:
        # backbones are compared without what these need
        from vitdense.benchmark.accuracy.resampling import LEAST_RESAMPLES
    except ModuleNotFoundError as error:
        raise ValueError(
            f'accuracy: {error.name} is not installed; vitdense has it as '
            'the extra accuracy: pip install -e .[accuracy], in its folder'
        ) from None
    check_folders(args.json, args.csv, args.markdown, args.page)
    if args.page is None and (args.images or args.inline_pictures):
        raise ValueError(
            '--images and --inline-pictures are for --page, which is not given'
        )
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f'--images: there is no {str(args.images)!r}')
    if args.resamples < LEAST_RESAMPLES:
        raise ValueError(
            f'--resamples {args.resamples}: an interval needs '
            f'{LEAST_RESAMPLES} or more'
        )
    if (args.processes is not None) != (args.launcher == 'pytorch'):
        raise ValueError(
            f'--launcher {args.launcher} with --processes {args.processes}; '
            'several processes are --launcher pytorch --processes N'
        )
    if args.processes is not None and args.processes < 1:
        raise ValueError(f'--processes {args.processes} is less than 1')


def compare_runs(
    args: argparse.Namespace,
    runs: Sequence[str],
    cfg_options: Mapping[str, Any],
) -> Compared:
    """Predict what is missing, and score.

    Args:
        args: As `add_options` has them.
        runs: As `run_names.read_names` takes them.
        cfg_options: Settings that replace those of all configs.

    Raises:
        ValueError, OSError: If anything cannot be used.
    """
    from vitdense.benchmark.accuracy.compare import compare_models
    from vitdense.benchmark.accuracy.predicting import Predicting, known_runs
    from vitdense.benchmark.accuracy.run_names import read_names
    from vitdense.benchmark.accuracy.runs import read_figures

    how = Predicting(
        args.predictions,
        args.processes,
        cfg_options,
        trust_pickle=args.trust_pickle,
    )
    named = read_names(runs)
    with progress_bar() as progress:

        def begun(title: str, images: int) -> Callable[[int], None]:
            for each in progress.task_ids:
                progress.remove_task(each)
            task = progress.add_task(title, total=images or None)
            return lambda done: progress.update(task, advance=done)

        known = known_runs(named, args.annotations, how, begun)
        begun('scoring', 0)
        models = read_figures(known)
        compared = compare_models(models, args.resamples, args.seed)
        return Compared(compared, models, known)


def write(
    args: argparse.Namespace,
    compared: Compared,
    cost: Sequence[CostRow] = (),
) -> None:
    """Show a comparison, and write what is asked for.

    Args:
        args: As `add_shared_options` has them.
        compared: What is shown.
        cost: What each model costs, where it was measured.

    Raises:
        ValueError, OSError: If something cannot be written.
    """
    from vitdense.benchmark.accuracy import tables

    comparison, figures, runs = compared
    done = [row for row in cost if row.error is None]
    tables.show(comparison, console())
    if args.json is not None:
        context = {
            'command': shlex.join(sys.argv),
            'cost': [{**flatten(row), 'machine': row.machine} for row in cost],
            'checkpoints': {
                name: [
                    {'path': str(each.checkpoint), 'sha256': each.sha256}
                    for each in several
                    if each.checkpoint is not None
                ]
                for name, several in runs.items()
            },
        }
        tables.write_json(args.json, comparison, context)
    if args.csv is not None:
        tables.write_csv(args.csv, comparison)
    if args.markdown is not None:
        tables.write_markdown(args.markdown, comparison)
        _append_cost(args.markdown, done)
    if args.page is not None:
        from vitdense.benchmark.page.write import write_page

        costs = {row.name: row for row in done}
        about = describe_comparison(runs, costs)
        write_page(
            *(args.page, comparison, figures, runs, costs, about),
            images=args.images,
            inline_pictures=args.inline_pictures,
        )
        print(f'page: {args.page}')


def _append_cost(path: Path, rows: Sequence[CostRow]) -> None:
    from vitdense.benchmark.accuracy import tables

    if not rows:
        return
    columns = cells(rows)
    table = tables.as_markdown(
        f'Cost of backbones at {rows[0].settings.height} x '
        f'{rows[0].settings.width} pixels',
        list(columns),
        [list(line) for line in zip(*columns.values(), strict=True)],
    )
    with path.open('a') as file:
        file.write(f'\n{table}')


def describe_comparison(
    runs: 'Mapping[str, Sequence[ModelRun]]', costs: 'Mapping[str, CostRow]'
) -> dict[str, str]:
    """When, where and by what, for the page."""
    from vitdense.benchmark.cost.page import describe

    truth = next(iter(runs.values()))[0].annotations
    about = {
        'command': shlex.join(sys.argv),
        'date': date.today().isoformat(),
        'truth': str(truth),
        'machine': f'{platform.platform()}, {os.cpu_count()} processors',
    }
    if costs:
        about['cost'] = describe(list(costs.values()))
    return about
