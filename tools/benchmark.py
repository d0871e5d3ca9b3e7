"""Compares backbones by time, memory, parameters and FLOPs, and by accuracy.

tools/benchmark.py speed NAME...     backbones side by side
tools/benchmark.py growth NAME...    exponents over the area of the image
tools/benchmark.py step CONFIG...    a training step of detectors
tools/benchmark.py accuracy RUN...   predictions, with intervals
tools/benchmark.py sweep             backbones trained by one recipe

Names of backbones: vitdense.PVT:v2-b2, mmdet.ResNet{"depth": 50},
mypackage.MyNet:tiny, timm:pvt_v2_b2, transformers:cvt, plain.PVT:v2-b2
(vitdense's written out plainly). A detector's backbone is exchanged by
CONFIG@NAME.
"""

import argparse
import sys
from collections.abc import Callable

from vitdense.benchmark.cli import accuracy, cost, sweep


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for name, (_, text) in cost.COMMANDS.items():
        cost.add_options(commands.add_parser(name, help=text), name)
    accuracy.add_options(
        commands.add_parser(
            'accuracy', help='compare predictions, with intervals'
        )
    )
    sweep.add_options(
        commands.add_parser(
            'sweep', help='train backbones by one recipe, and compare them'
        )
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        'accuracy': accuracy.run,
        'sweep': sweep.run,
    }
    return commands.get(args.command, cost.run)(args)


if __name__ == '__main__':
    sys.exit(main())
