"""Rewrites a checkpoint: python tools/convert_checkpoint.py SRC DST."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import torch

    from vitdense.backbones import PVT, CvT, T2TViT
    from vitdense.checkpoint import convert_checkpoint, install
    from vitdense.checkpoint.adapt import Shape
    from vitdense.checkpoint.load import shapes
    from vitdense.preflight.cli import OneLineParser, one_line_errors
except ImportError as error:
    sys.exit(f'error: {error}; `pip install vitdense[openmmlab]` has it all')

FAMILIES = {family.family: family for family in (PVT, CvT, T2TViT)}


def archs(family: str) -> Iterator[tuple[str, dict[str, Shape]]]:
    """Yields each arch of a family, and the shapes of its tensors."""
    build = FAMILIES[family]
    for name in build.variants:
        with torch.device('meta'):
            model = build(name)
        yield name, shapes(model.state_dict())


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
        install(args.trust_pickle)
        report = convert_checkpoint(
            args.source,
            args.destination,
            archs,
            to=args.to,
            sha256=args.sha256,
        )
    print(report)
    print(f'written: {args.destination}')


if __name__ == '__main__':
    main()
