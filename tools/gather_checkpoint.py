"""Writes one file of a checkpoint that processes wrote in parts:
python tools/gather_checkpoint.py FOLDER FILE."""

import sys
from argparse import Namespace
from pathlib import Path

try:
    from vitdense.preflight.cli import (
        OneLineParser,
        nothing_shown,
        one_line_errors,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument(
        'source',
        type=Path,
        metavar='FOLDER',
        help='a checkpoint of a training with vitdense.FullyShard',
    )
    parser.add_argument(
        'destination',
        type=Path,
        metavar='FILE',
        help='the file to write; it must not exist',
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.checkpoint.gather import gather_checkpoint

        gather_checkpoint(args.source, args.destination)
    print(f'written: {args.destination}')


if __name__ == '__main__':
    main()
