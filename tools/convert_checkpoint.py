"""Rewrites a checkpoint: python tools/convert_checkpoint.py SRC DST."""

import argparse
import sys
from pathlib import Path

try:
    from vitdense.backbones.pyramid import known_backbones
    from vitdense.checkpoint import convert_checkpoint, set_pickle_trust
    from vitdense.preflight.cli import OneLineParser, one_line_errors
except ImportError as error:
    sys.exit(
        f'error: {error}; in the folder of the clone, `pip install '
        'torch==2.13.0 -e .[openmmlab] -c requirements/constraints.txt` '
        'installs all that is needed'
    )


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument('source', help='a checkpoint, or its http(s) address')
    parser.add_argument(
        'destination',
        type=Path,
        help='the file to write: .safetensors, or .pth, .pt, .bin',
    )
    parser.add_argument(
        '--to',
        choices=['vitdense', 'official'],
        default='vitdense',
        help='whose names to write; vitdense if not given',
    )
    parser.add_argument(
        '--sha256', help='digest that the source must have, in hexadecimal'
    )
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='run code that the source may hold; for files you made yourself',
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        set_pickle_trust(args.trust_pickle)
        report = convert_checkpoint(
            args.source,
            args.destination,
            known_backbones(),
            to=args.to,
            sha256=args.sha256,
        )
    print(report)
    print(f'written: {args.destination}')


if __name__ == '__main__':
    main()
