"""Trains a detector or a segmenter: python tools/train.py CONFIG."""

import argparse
import sys

try:
    from vitdense.preflight.cli import (
        OneLineParser,
        add_common_options,
        nothing_shown,
        one_line_errors,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config', help='a config file')
    add_common_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help="go on from this checkpoint; 'auto' or nothing means the latest "
        'in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the real batch size',
    )
    parser.add_argument(
        '--skip-broken-images',
        action='store_true',
        help='train on without images that are cut off or cannot be decoded; '
        'they are counted and listed at the end',
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.datasets.loading import BrokenImageError
            from vitdense.engine.finite import NonFiniteError
            from vitdense.preflight.options import TrainOptions
            from vitdense.preflight.prepare import prepare_training

        prepared = prepare_training(TrainOptions.of(args))
    runner = prepared.build_runner()
    with one_line_errors((BrokenImageError, NonFiniteError), code=1):
        runner.train()
    print(f'work folder: {prepared.cfg.work_dir}')


if __name__ == '__main__':
    main()
