"""Times training that resumes exactly beside mmengine's own loop.

The quick start's detector, in turns: a few steps of one, then of the other.
Data is loaded by this process, where seeding each sample costs the most.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS, LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner

from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.rehearsal import no_traces

CONFIG = 'configs/quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes.py'
UNTIMED = 2  # steps at the beginning, in which memory is found
SIDES = ('exact', 'plain')


@LOOPS.register_module()
class PlainEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop under a name that preflight leaves as it is."""


@HOOKS.register_module()
class StepTimes(Hook):
    """Keeps what each step took, loading included."""

    seconds: list[float]

    def before_train(self, runner: Runner) -> None:
        StepTimes.seconds = []
        self._last_s = time.perf_counter()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        now_s = time.perf_counter()
        self.seconds.append(now_s - self._last_s)
        self._last_s = now_s


def train(side: str, config: Path, steps: int, batch: int) -> list[float]:
    """Train for some steps; gives the seconds of each."""
    options: dict[str, Any] = {
        'train_dataloader.batch_size': batch,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.indices': steps * batch,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_begin': 2,  # after the end
        'custom_hooks': [{'type': 'StepTimes'}],
    }
    if side == 'plain':
        options['train_cfg.type'] = 'PlainEpochLoop'
    # each turn has a log and a visualizer of its own
    with TemporaryDirectory() as folder, no_traces():
        asked = TrainOptions(
            config=str(config), work_dir=folder, cfg_options=options
        )
        runner = prepare_training(asked).build_runner()
        runner.train()
    return StepTimes.seconds[UNTIMED:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--turns', type=int, default=8)
    parser.add_argument('--steps', type=int, default=30, help='of each turn')
    parser.add_argument('--batch', type=int, default=2)
    args = parser.parse_args()
    config = Path(__file__).resolve().parents[1] / CONFIG
    ratios = []
    for turn in range(args.turns):
        # who goes first changes, as a machine's speed drifts
        order = SIDES if turn % 2 else SIDES[::-1]
        seconds = {
            side: statistics.median(
                train(side, config, args.steps, args.batch)
            )
            for side in order
        }
        ratios.append(seconds['exact'] / seconds['plain'])
        print(
            f'turn {turn}: exact {seconds["exact"]:.4f} s, plain '
            f'{seconds["plain"]:.4f} s a step, ratio {ratios[-1]:.4f}',
            file=sys.stderr,
        )
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f'a step that resumes exactly, over one of mmengine: {middle:.4f} '
        f'(quartiles {low:.4f} to {high:.4f}, {args.turns} turns of '
        f'{args.steps} steps of {args.batch} images)'
    )


if __name__ == '__main__':
    main()
