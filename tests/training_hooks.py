"""Hooks of trainings that tests start in processes of their own."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from vitdense.engine.rank_state import bare_model


@HOOKS.register_module()
class StepLosses(Hook):
    """Writes ``losses.json`` in the work folder: a number for each step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """The mean over processes, which have batches of one size."""
        loss = torch.as_tensor(float(outputs['loss']), dtype=torch.float64)
        all_reduce(loss, 'mean')
        self.losses.append(float(loss))

    def after_train(self, runner: Runner) -> None:
        """Write them down."""
        if is_main_process():
            path = Path(runner.work_dir, 'losses.json')
            path.write_text(json.dumps(self.losses))


@HOOKS.register_module()
class FailInOne(Hook):
    """Raises an error in one process, before a step.

    Args:
        rank: Which process.
        step: Before which step, counted from 0.
    """

    def __init__(self, rank: int, step: int) -> None:
        self.rank = rank
        self.step = step

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Raise it.

        Raises:
            RuntimeError: In that process, at that step.
        """
        if get_rank() == self.rank and runner.iter == self.step:
            raise RuntimeError(f'the disk of process {self.rank} is gone')


@HOOKS.register_module()
class SignalInSave(Hook):
    """Has the whole group of processes signalled within its second save."""

    def __init__(self) -> None:
        self.saves = 0

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Signal them."""
        self.saves += 1
        if self.saves == 2:
            to_disk = os.fsync

            def signalled(fd: Any) -> None:
                """While the file has what it will have, but no name."""
                os.fsync = to_disk
                os.killpg(0, signal.SIGTERM)
                to_disk(fd)

            os.fsync = signalled


@HOOKS.register_module()
class SaveWeightsOfAll(Hook):
    """Has each process write its model's weights when it has trained."""

    def after_train(self, runner: Runner) -> None:
        """Write them, named after the process."""
        state = bare_model(runner).state_dict()
        torch.save(state, Path(runner.work_dir, f'{get_rank()}.weights'))
