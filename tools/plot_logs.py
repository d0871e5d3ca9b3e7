"""Draws curves of trainings in one picture: python tools/plot_logs.py RUN...

Runs are work folders. Losses, learning rate and scores are drawn, a panel
for each key and a colour for each run.
"""

import argparse
import sys
from pathlib import Path

try:
    from vitdense.preflight.cli import OneLineParser, one_line_errors
    from vitdense.visualize.logs import (
        check_target,
        choose_keys,
        draw,
        read_runs,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN')
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='what to draw, such as loss lr coco/bbox_mAP (default: what '
        'a run has of these, coco/segm_mAP and mIoU)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('curves.png'),
        help='the picture: .png, .svg or .pdf (default: curves.png)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a picture there'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        check_target(args.out, overwrite=args.overwrite)
        runs = read_runs(args.runs)
        keys = choose_keys(runs, args.keys)
        draw(runs, keys).savefig(args.out, dpi=150)
    print(f'{", ".join(keys)} of {len(runs)} runs: {args.out}')


if __name__ == '__main__':
    main()
