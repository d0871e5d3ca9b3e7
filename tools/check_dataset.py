"""Looks for what is wrong in data sets: python tools/check_dataset.py CONFIG.

Of a config, all data sets that it trains, validates and tests on; or one, by
--coco FILE --images DIR or --masks DIR --images DIR. Exit code: 0 if no error
is found, 1 if there are errors, 2 if the input cannot be used.
"""

import argparse
import json
import sys
from concurrent.futures import BrokenExecutor
from pathlib import Path

try:
    from mmengine.config import DictAction

    from vitdense.preflight.cli import (
        OneLineParser,
        nothing_shown,
        one_line_errors,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', nargs='?', help='a config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, for example '
        'train_dataloader.dataset.data_root=DIR/',
    )
    parser.add_argument(
        '--coco', metavar='FILE', help="an annotation file of COCO's format"
    )
    parser.add_argument(
        '--masks', metavar='DIR', help='a folder of label maps, as PNGs'
    )
    parser.add_argument(
        '--images', metavar='DIR', help='the pictures of --coco or --masks'
    )
    parser.add_argument(
        '--classes',
        type=int,
        metavar='N',
        help='how many classes the label maps have; if not given, any label '
        'is',
    )
    parser.add_argument(
        '--ignore-index',
        type=int,
        metavar='LABEL',
        help='the label of no class; 255 if not given',
    )
    parser.add_argument(
        '--reduce-zero-label',
        action='store_true',
        help='label 0 is no class, and 1 the first, as in ADE20K',
    )
    parser.add_argument(
        '--skip-pictures',
        action='store_true',
        help='do not open pictures; label maps are opened all the same',
    )
    parser.add_argument(
        '--strict', action='store_true', help='take warnings for errors'
    )
    parser.add_argument(
        '--json',
        type=Path,
        metavar='FILE',
        help='write everything that is found to this file',
    )
    parser.add_argument(
        '--fix',
        type=Path,
        metavar='DIR',
        help='write a cleaned copy to this folder, which must not be there '
        'or be empty; the original stays as it is',
    )
    parser.add_argument(
        '--processes', type=int, metavar='N', help='all cores if not given'
    )
    return parser.parse_args()


def check_outputs(args: argparse.Namespace) -> None:
    """See that what is asked for can be done and written."""
    if args.processes is not None and args.processes < 1:
        raise ValueError(f'--processes={args.processes} is not positive')
    if args.fix is not None and args.skip_pictures:
        raise ValueError('--fix opens pictures; leave out --skip-pictures')
    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise FileNotFoundError(
            f'--json {str(args.json)!r}: no folder {str(args.json.parent)!r}'
        )


def main() -> None:
    with one_line_errors():
        args = parse_args()
        check_outputs(args)
        with nothing_shown():
            from vitdense.datasets.audit.check import check
            from vitdense.datasets.audit.copies import (
                check_target,
                write_copies,
            )
            from vitdense.datasets.audit.parallel import available_processes
            from vitdense.datasets.audit.report import Report
            from vitdense.preflight.audit import AuditOptions, open_sets

            sets = open_sets(AuditOptions.of(args))
        if args.fix is not None:
            check_target(args.fix, sets)
    processes = args.processes or available_processes()
    with one_line_errors((BrokenExecutor,)):  # killed, as when memory is short
        found = check(sets, processes, pictures=not args.skip_pictures)
    report = Report(found)
    print(report)
    with one_line_errors():
        if args.json is not None:
            args.json.write_text(json.dumps(report.to_json(), indent=1) + '\n')
        if args.fix is not None:
            copies = write_copies(report.checked, args.fix, processes)
            print(f'\nthe cleaned copy in {args.fix}:')
            print(Report(check(copies, processes)))
    raise SystemExit(1 if report.fails(strict=args.strict) else 0)


if __name__ == '__main__':
    main()
