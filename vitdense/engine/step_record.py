"""What a step of training began with, while it is not over."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vitdense.engine.random_state import random_state
from vitdense.engine.replay import Dtype, Findings, Pass, loss_tensors, replay
from vitdense.engine.sharding import whole_tensor


class StepRecord:
    """Batches, random states and buffers since the optimizer's last step.

    Weights need no copy, since only the optimizer changes them. Of buffers
    those are copied that have changed since the last copy, which are running
    statistics.

    Args:
        model: The bare model, without a wrapper for several processes.

    Attributes:
        passes: What went through the model, several batches where gradients
            are accumulated.
        autocast: What the model last computed in where it is safe.
        iteration: Which iteration it is, set from outside.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.passes: list[Pass] = []
        self.autocast: Dtype = None
        self.iteration = 0
        self._saved: list[_SavedBuffer] = [
            _SavedBuffer(part, key, f'{path}.{key}' if path else key)
            for path, part in model.named_modules()
            for key in part._buffers
        ]
        self._handles: list[RemovableHandle] = []
        self.attach()

    def attach(self) -> None:
        """Begin to watch the model."""
        entry = self.model.get_submodule('data_preprocessor')
        self._handles = [
            entry.register_forward_pre_hook(self._begin, with_kwargs=True),
            self.model.register_forward_hook(self._see, with_kwargs=True),
        ]

    def detach(self) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _begin(
        self, entry: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        names = ('data', 'training')
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if not given.get('training'):
            return
        if not self.passes:
            pairs = [each.pair() for each in self._saved if each.stale()]
            if pairs:
                # at once: a model has hundreds, and each is small
                targets, sources = map(list, zip(*pairs, strict=True))
                torch._foreach_copy_(targets, sources)
        self.passes.append(Pass(self.iteration, given['data'], random_state()))

    def _see(
        self,
        model: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Any,
    ) -> None:
        if kwargs.get('mode') != 'loss' or not isinstance(outputs, Mapping):
            return
        losses = [tensor.sum().float() for _, tensor in loss_tensors(outputs)]
        if losses and self.passes:
            # nothing waits for the device here
            self.passes[-1].finite = torch.stack(losses).isfinite().all()
            device = losses[0].device.type
            on = torch.is_autocast_enabled(device)
            self.autocast = torch.get_autocast_dtype(device) if on else None

    def finite_losses(self) -> list[Tensor]:
        """For each batch, whether its losses are finite, on their device."""
        return [p.finite for p in self.passes if p.finite is not None]

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers of before the step."""
        state = {
            name: whole_tensor(value)
            for name, value in self.model.state_dict().items()
        }
        before = {each.path: each.values for each in self._saved}
        kept = {k: v for k, v in before.items() if k in state}
        return {**state, **{k: v for k, v in kept.items() if v is not None}}

    def resting(self) -> list[str]:
        """Modules that are in evaluation mode."""
        named = self.model.named_modules()
        return [path for path, part in named if not part.training]

    def restore_buffers(self) -> None:
        """Put the buffers back to what they were before the step."""
        for each in self._saved:
            each.restore()

    def replay(self) -> Findings:
        """Do the step once more in a copy of the model.

        Raises:
            RuntimeError: If the model cannot be copied, or memory is short.
        """
        self.detach()
        try:
            twin: Any = copy.deepcopy(self.model)
        finally:
            self.attach()
        twin.load_state_dict(self.state())
        return replay(twin, self.passes, self.autocast)


class _SavedBuffer:
    """A buffer and its values of before the step."""

    def __init__(self, part: nn.Module, key: str, path: str) -> None:
        self._part, self._key, self.path = part, key, path
        self.values: Tensor | None = None
        self._seen: tuple[int, int] | None = None

    @property
    def _buffer(self) -> Tensor | None:
        return self._part._buffers[self._key]

    def stale(self) -> bool:
        """Whether the values may be others than those that were saved.

        Norms change their running statistics without a new version.
        """
        buffer = self._buffer
        if buffer is None:
            return False
        # an inference tensor tells no version: it cannot change in training
        version = 0 if buffer.is_inference() else buffer._version
        before, self._seen = self._seen, (id(buffer), version)
        silent = self._part.training and self._key.startswith('running_')
        return silent or before != self._seen

    def pair(self) -> tuple[Tensor, Tensor]:
        """Where to save to, and the buffer."""
        buffer = self._part.get_buffer(self._key)
        values = self.values
        if values is None or values.shape != buffer.shape:
            values = self.values = torch.empty_like(buffer)
        return values, buffer.detach()

    def restore(self) -> None:
        """Put the saved values back."""
        if self._buffer is not None and self.values is not None:
            with torch.no_grad():
                self._buffer.copy_(self.values)
