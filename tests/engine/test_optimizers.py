"""What optimizers have besides moments is the same after a resume."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODELS
from mmengine.runner import Runner
from resumed_runs import differing
from torch import Tensor, nn
from toy_training import Toy, resumable, stop_in_step

from vitdense.engine.errors import Preempted
from vitdense.engine.signals import STOPPING


@MODELS.register_module(force=True)
class TwoOptimizers(Toy):
    """Its head is trained in every second step, and the rest in every one."""

    def __init__(self, dropout: float) -> None:
        super().__init__(dropout)
        self.register_buffer('step', torch.tensor(0))

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        data = self.data_preprocessor(data, training=True)
        losses = self(**data, mode='loss')
        optim_wrapper['extra'].update_params(losses['loss_extra'])
        self.step += 1
        if self.step % 2 == 0:
            optim_wrapper['head'].update_params(losses['loss_head'])
        return {name: loss.detach() for name, loss in losses.items()}


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Who was asked to stop ignores signals from then on."""
    before = {each: signal.getsignal(each) for each in STOPPING}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def wrapped(module: nn.Module, count: int) -> OptimWrapper:
    """Steps of SGD over so many backward passes each."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    return OptimWrapper(optimizer, accumulative_counts=count)


def of_two_optimizers(folder: Path, **settings: Any) -> Runner:
    run = resumable(folder, model='TwoOptimizers', **settings)
    model: Any = run.model
    run.optim_wrapper = OptimWrapperDict(
        extra=wrapped(model.extra, 3), head=wrapped(model.head, 2)
    )
    return run


def scaled(folder: Path, **settings: Any) -> Runner:
    """Whose scale doubles after every third step."""
    wrapper = {
        'type': 'ScaledOnCPU',
        'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9},
        'grows_after': 3,
    }
    return resumable(folder, optim_wrapper=wrapper, **settings)


@pytest.mark.parametrize('build', [scaled, of_two_optimizers])
# in which some gradients wait, and of the scale's three steps one or two are
# done
@pytest.mark.parametrize('step', [3, 4, 6])
def test_goes_on_as_it_was(
    tmp_path: Path, build: Callable[..., Runner], step: int
) -> None:
    whole = build(tmp_path / 'whole')
    whole.train()
    stopped = build(tmp_path / 'stopped')
    stop_in_step(stopped, step)
    with pytest.raises(Preempted):
        stopped.train()
    resumed = build(tmp_path / 'stopped', resume=True)
    resumed.train()
    for state in (
        lambda run: run.model.state_dict(),
        lambda run: run.optim_wrapper.state_dict(),
    ):
        assert differing(state(whole), state(resumed)) == []
    if build is scaled:
        scaler = whole.optim_wrapper.state_dict()['loss_scaler']
        # of twelve steps
        assert scaler['scale'] == 4.0 * 2**4
        assert scaler['_growth_tracker'] == 0
