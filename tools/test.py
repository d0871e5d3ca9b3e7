"""Scores a checkpoint: python tools/test.py CONFIG CHECKPOINT."""

import argparse
import sys

try:
    from vitdense.engine.cli import (
        OneLineParser,
        add_common_options,
        one_line_errors,
        read_config,
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
        help='write pictures of predictions beside the truth to this folder, '
        "for detection inside the work folder's",
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
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        from vitdense.engine.config import build_runner
        from vitdense.engine.prepare import prepare_testing

        cfg = read_config(args)
        prepare_testing(
            cfg,
            args.checkpoint,
            args.out,
            args.show,
            args.show_dir,
            args.wait_time,
            args.tta,
            args.trust_pickle,
        )
    runner = build_runner(cfg)
    runner.test()
    print(f'work folder: {cfg.work_dir}')


if __name__ == '__main__':
    main()
