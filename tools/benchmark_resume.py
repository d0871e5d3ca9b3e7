"""Times training that resumes exactly beside mmengine's own loop.

The quick start's detector, in turns: a few steps of one, then of the other.
Data is loaded by this process, where seeding each sample costs the most. What
is compared is processor time: a machine that others use is no slower by it.

What exactness adds is less than two trainings differ by themselves. So it is
also measured by itself, on a model of one number, in milliseconds a step.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, LOOPS, MODELS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.rehearsal import no_traces

CONFIG = 'configs/quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes.py'
BARE = """
_base_ = '{base}'
model = dict(
    _delete_=True,
    type='OneNumber',
    data_preprocessor=dict(type='DetDataPreprocessor'),
)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
"""
UNTIMED = 2  # steps at the beginning, in which memory is found
SIDES = ('exact', 'plain')


@LOOPS.register_module()
class PlainEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop under a name that preflight leaves as it is."""


@HOOKS.register_module()
class StepTimes(Hook):
    """Keeps the processor time of each step, loading included."""

    seconds: list[float]

    def before_train(self, runner: Runner) -> None:
        StepTimes.seconds = []
        self._last_s = time.process_time()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        now_s = time.process_time()
        self.seconds.append(now_s - self._last_s)
        self._last_s = now_s


@MODELS.register_module()
class OneNumber(BaseModel):
    """A model that takes no time, for what else a step takes."""

    def __init__(
        self, data_preprocessor: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data_preprocessor)
        self.number = nn.Parameter(torch.ones(()))

    def forward(
        self, inputs: Any, data_samples: Any = None, mode: str = 'loss'
    ) -> Any:
        return {'loss': self.number.square()}


def train(side: str, config: Path, steps: int, batch: int, seed: int) -> float:
    """Train for some steps; gives the mean seconds of one."""
    options: dict[str, Any] = {
        'randomness.seed': seed,
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
    return statistics.mean(StepTimes.seconds[UNTIMED:])


def compare(
    config: Path, turns: int, steps: int, batch: int
) -> list[tuple[float, float]]:
    """Mean seconds of a step in each turn: exact, plain."""
    pairs = []
    for turn in range(turns):
        # who goes first changes, as a machine's speed drifts
        order = SIDES if turn % 2 else SIDES[::-1]
        # and so do the pictures: the two draw theirs each in its own way,
        # and a picture with more objects costs more
        seconds = {
            side: train(side, config, steps, batch, turn) for side in order
        }
        pairs.append((seconds['exact'], seconds['plain']))
        print(
            f'turn {turn}: exact {pairs[-1][0]:.5f} s, plain '
            f'{pairs[-1][1]:.5f} s a step',
            file=sys.stderr,
        )
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--turns', type=int, default=8)
    parser.add_argument('--steps', type=int, default=30, help='of each turn')
    parser.add_argument('--batch', type=int, default=2)
    args = parser.parse_args()
    config = Path(__file__).resolve().parents[1] / CONFIG
    pairs = compare(config, args.turns, args.steps, args.batch)
    ratios = [exact / plain for exact, plain in pairs]
    with TemporaryDirectory() as folder:
        bare = Path(folder, 'bare.py')
        bare.write_text(BARE.format(base=config))
        added = [
            1e3 * (exact - plain)
            for exact, plain in compare(
                bare, args.turns, args.steps, args.batch
            )
        ]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f'a step that resumes exactly, over one of mmengine: {middle:.4f} '
        f'(quartiles {low:.4f} to {high:.4f})'
    )
    step_ms = 1e3 * statistics.median(plain for _, plain in pairs)
    low, middle, high = statistics.quantiles(added, n=4)
    print(
        f'exactness by itself adds {middle:.3f} ms (quartiles {low:.3f} to '
        f'{high:.3f}) to a step of {step_ms:.1f} ms: {middle / step_ms:.3%}; '
        f'{args.turns} turns of {args.steps} steps of {args.batch} images'
    )


if __name__ == '__main__':
    main()
