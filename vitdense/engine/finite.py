"""Stops training on the first loss or gradient that is not finite."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    get_rank,
    get_world_size,
)
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from vitdense.engine.errors import TrainingStoppedError
from vitdense.engine.finite_report import Report, compose, describe
from vitdense.engine.kept_step import KeptStep
from vitdense.engine.rank_state import bare_model
from vitdense.engine.replay import images_of
from vitdense.engine.sharding import local_part
from vitdense.engine.step_record import StepRecord
from vitdense.registry import HOOKS

CHOICES = ('stop', 'skip')
# in the message hub, which checkpoints hold
SKIPPED = 'non_finite_steps'


class NonFiniteError(TrainingStoppedError):
    """A loss or a gradient is not finite."""


@HOOKS.register_module()
class StopOnNonFiniteHook(Hook):
    """Looks at losses and gradients before each step of the optimizer.

    A bad step changes no weight and no state of the optimizer. The error says
    at which iteration, which losses, or else the gradients of which
    parameters, from which images and in which process; the batch is in the
    work folder, for ``tools/replay_batch.py``. With several processes all do
    the same.

    A gradient scaler (float16) drops steps whose gradients overflow, and
    scales less from then on. That is how it finds its scale, so such a step
    is bad only if a loss is, or with a scale that is below 1 already.
    What ``clip_grad`` of the type 'value' makes finite counts as finite.

    Args:
        on_bad: 'stop' ends training; 'skip' leaves the step out, with what it
            did to running statistics, and counts it.
        max_skipped: How many steps may be left out; one more stops.
    """

    priority = 'HIGHEST'  # others log and save what it lets pass

    def __init__(self, on_bad: str = 'stop', max_skipped: int = 10) -> None:
        if on_bad not in CHOICES:
            raise ValueError(
                f'StopOnNonFiniteHook: on_bad={on_bad!r}; choose from '
                f'{CHOICES}'
            )
        if max_skipped < 0:
            raise ValueError(
                f'StopOnNonFiniteHook: max_skipped={max_skipped} is negative'
            )
        self._allowed = max_skipped if on_bad == 'skip' else 0
        self._skipped: list[int] = []
        self._handles: list[RemovableHandle] = []

    def before_train(self, runner: Runner) -> None:
        """Begin to watch the model and its optimizers."""
        self._runner = runner
        if runner._resume and SKIPPED in runner.message_hub.runtime_info:
            self._skipped = list(runner.message_hub.get_info(SKIPPED))
        self._record = StepRecord(bare_model(runner))
        self._handles = [
            each.register_step_pre_hook(self._before_step)
            for each in self._optimizers()
        ]

    def after_train(self, runner: Runner) -> None:
        """Watch no more, and say which steps were left out."""
        self._record.detach()
        for handle in self._handles:
            handle.remove()
        if self._skipped:
            runner.logger.warning(
                f'{len(self._skipped)} steps with non-finite numbers were '
                f'left out, those of iterations {self._skipped}'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Note which iteration begins."""
        self._record.iteration = runner.iter + 1
        self._count = len(self._skipped)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Look at a step that a gradient scaler has dropped."""
        wrapper: Any = runner.optim_wrapper
        scaler = getattr(wrapper, 'loss_scaler', None)
        if self._record.passes and scaler and wrapper.should_update():
            spent = scaler.get_scale() < 1
            if self._agree(self._record.finite_losses(), bad=spent):
                self._act()
            self._record.passes.clear()
        if len(self._skipped) > self._count and outputs:
            # one NaN would hide the mean of many losses in the log
            outputs.clear()

    def _before_step(
        self, optimizer: Optimizer, args: Any, kwargs: Any
    ) -> None:
        if not self._record.passes:
            return
        overflow = getattr(optimizer, 'found_inf', None)
        if overflow is not None and overflow.item():
            return  # a fused optimizer drops the step, as a scaler does
        flags = self._record.finite_losses()
        if self._agree([*flags, *norms(optimizer, 2)]) and self._agree(
            # a sum of squares overflows where no gradient may, but is many
            # times as fast on a CPU
            [*flags, *norms(optimizer, torch.inf)]
        ):
            self._act()
        self._record.passes.clear()

    def _agree(self, numbers: Iterable[Tensor], bad: bool = False) -> bool:
        """Whether in any process any number is not finite.

        Only here the host waits.

        Args:
            numbers: Numbers, and truth values that stand for them.
            bad: Whether it is so whatever the numbers are.
        """
        flags = [finite(each) for each in numbers]
        if not flags:
            flags = [torch.tensor(True)]
        device = flags[0].device
        good = torch.stack([each.to(device) for each in flags]).all()
        worst = (~good | bad).float()
        if get_world_size() > 1:
            all_reduce(worst, op='max')
        return bool(worst.item())

    def _act(self) -> None:
        """Leave the step out, or stop.

        Raises:
            NonFiniteError: If no more steps may be left out.
        """
        iteration = self._record.iteration
        stop = len(self._skipped) >= self._allowed
        # files are large: the first that is bad, and the one that stops
        report = self._examine(keep=stop or not self._skipped)
        reports = all_gather_object(report)
        last = self._runner.message_hub.get_info('last_ckpt')
        message = compose(iteration, reports, last)
        if stop:
            before = ''
            if self._skipped:
                before = f' ({len(self._skipped)} steps left out before)'
            raise NonFiniteError(message + before)
        self._skipped.append(iteration)
        self._runner.message_hub.update_info(SKIPPED, list(self._skipped))
        self._record.restore_buffers()
        for optimizer in self._optimizers():
            optimizer.zero_grad(set_to_none=True)
        self._runner.logger.warning(f'step left out: {message}')

    def _examine(self, keep: bool) -> Report:
        """Do the step once more in this process, and keep it if asked."""
        try:
            found = self._record.replay()
            what = describe(found)
        except (AssertionError, RuntimeError) as error:
            # the model cannot be copied (one in parts, for example);
            # the error to report is another
            found = None
            reason = str(error).partition('\n')[0]
            what = f'numbers that could not be traced ({reason})'
        images = [i for p in self._record.passes for i in images_of(p.batch)]
        alone = get_world_size() == 1
        if found is not None and not found.bad and alone:
            what = 'gradients that are finite when computed once more'
        return Report(what, images, self._keep() if keep and what else '')

    def _keep(self) -> str:
        """Write the step to the work folder; the command, or why not."""
        record, runner = self._record, self._runner
        kept = KeptStep(
            record.passes,
            record.state(),
            record.resting(),
            next(record.model.parameters()).device.type,
            record.autocast,
            runner.cfg,
        )
        name = f'non_finite_iter_{record.iteration}_rank_{get_rank()}.pth'
        path = Path(runner.work_dir, name)
        try:
            kept.write(path)
        except (OSError, TypeError) as error:
            return f'it could not be kept: {error}'
        return f'kept for python tools/replay_batch.py {path}'

    def _optimizers(self) -> list[Optimizer]:
        wrapper: Any = self._runner.optim_wrapper
        several = isinstance(wrapper, OptimWrapperDict)
        return [
            each.optimizer
            for each in (wrapper.values() if several else [wrapper])
        ]


def finite(number: Tensor) -> Tensor:
    """Whether it is; truth values stand for themselves."""
    return number if number.dtype == torch.bool else number.isfinite().all()


def norms(optimizer: Optimizer, order: float) -> list[Tensor]:
    """The norm of each parameter's gradient, a vector for each device."""
    together: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for group in optimizer.param_groups:
        for parameter in group['params']:
            grad = parameter.grad
            if grad is None:
                continue
            if grad.is_sparse:
                grad = grad.coalesce().values()
            grad = local_part(grad)
            if grad.numel():
                key = (grad.device, grad.dtype)
                together.setdefault(key, []).append(grad)
    return [
        torch.stack(torch._foreach_norm(grads, order))
        for grads in together.values()
    ]
