"""Scores a checkpoint: python tools/test.py CONFIG CHECKPOINT."""

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
    parser.add_argument('checkpoint', help='a checkpoint of that model')
    add_common_options(parser)
    parser.add_argument(
        '--out',
        help='keep predictions: a .pkl file (detection) or a folder of label '
        'PNGs (segmentation)',
    )
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window'
    )
    parser.add_argument(
        '--show-dir',
        help='write pictures of predictions beside the truth to this folder',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2.0,
        help='how long a window stays, in seconds',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation, as tta_pipeline in the config says',
    )
    parser.add_argument(
        '--amp', action='store_true', help='predict in bfloat16'
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.engine.errors import TrainingStoppedError
            from vitdense.engine.processes import ended_together
            from vitdense.preflight.options import TestOptions
            from vitdense.preflight.prepare import prepare_testing

        with ended_together(report=False):
            prepared = prepare_testing(TestOptions.of(args))
    with one_line_errors((TrainingStoppedError,), 1), ended_together():
        prepared.test()


if __name__ == '__main__':
    main()
