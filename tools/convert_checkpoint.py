"""Rewrites a checkpoint: python tools/convert_checkpoint.py SRC DST."""

import sys
from argparse import ArgumentTypeError, Namespace
from importlib import import_module
from pathlib import Path

try:
    from mmengine.registry import MODELS

    from vitdense.backbones.pyramid import PyramidBackbone
    from vitdense.checkpoint import convert_checkpoint, set_pickle_trust
    from vitdense.preflight.cli import OneLineParser, one_line_errors
except ImportError as error:
    sys.exit(
        f'error: {error}; in the folder of the clone, `pip install '
        'torch==2.13.0 -e .[openmmlab] -c requirements/constraints.txt` '
        'installs all that is needed'
    )


def backbone_class(name: str) -> type[PyramidBackbone]:
    """The class that a config names so, its package imported."""
    import_module(name.partition('.')[0])  # MODELS would hide its errors
    found = MODELS.get(name)
    if not (isinstance(found, type) and issubclass(found, PyramidBackbone)):
        raise ArgumentTypeError(
            f'{name!r} is no backbone: no class of that name derives from '
            'vitdense.backbones.pyramid.PyramidBackbone'
        )
    return found


def parse_args() -> Namespace:
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
        '--backbone',
        type=backbone_class,
        metavar='SCOPE.TYPE',
        help='the backbone that the weights are of, named as in a config, '
        "such as vitdense.PVT or a class of your own package; vitdense's "
        'are tried if not given',
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
            args.backbone and [args.backbone],
            to=args.to,
            sha256=args.sha256,
        )
    print(report)
    print(f'written: {args.destination}')


if __name__ == '__main__':
    main()
