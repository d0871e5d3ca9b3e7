"""Measures what it takes to load a training picture:
python tools/benchmark_loading.py CONFIG [--cfg-options KEY=VALUE ...].

Seconds are those of one core (of the process, not of a clock), so another
load on the machine changes them little. Files are read once before, so that
the disk is not in them.
"""

import random
import statistics
import sys
import time
from argparse import Namespace

try:
    import cv2
    import numpy as np
    import torch
    from mmengine.config import DictAction
    from mmengine.registry import DATASETS, init_default_scope

    from vitdense.preflight.cli import OneLineParser, one_line_errors
    from vitdense.preflight.config import load_config
    from vitdense.preflight.options import CommonOptions
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')

SEED = 0


def parse_args() -> Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config', help='a config file')
    parser.add_argument('--pictures', type=int, default=64)
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE'
    )
    return parser.parse_args()


def seconds_each(dataset: object, count: int) -> list[float]:
    """Seconds of a core for each of the first pictures."""
    seconds: list[float] = []
    for _ in range(2):  # the second time, files are in memory
        seconds = []
        for index in range(count):
            began_s = time.process_time()
            dataset[index]  # type: ignore[index]
            seconds.append(time.process_time() - began_s)
    return seconds


def main() -> None:
    with one_line_errors():
        args = parse_args()
        options = CommonOptions(
            config=args.config, cfg_options=args.cfg_options or {}
        )
        cfg = load_config(options)
        init_default_scope(cfg.default_scope)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    count = min(args.pictures, len(dataset))
    mean_s = statistics.mean(seconds_each(dataset, count))
    print(
        f'{mean_s * 1000:.1f} ms of a core for each of {count} pictures '
        f'({args.config})'
    )


if __name__ == '__main__':
    main()
