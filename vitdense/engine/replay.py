"""Does a step of training once more, and looks at its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitdense.engine.random_state import (
    RandomState,
    random_state_kept,
    set_random_state,
)

Dtype = torch.dtype | None


@dataclass
class Pass:
    """A batch on its way through the model, as far as it came.

    Attributes:
        iteration: Which iteration, from 1 on.
        batch: What the data loader gave.
        random: The random states of before.
        finite: Whether all losses are finite, on their device; None before
            the model gave any.
    """

    iteration: int
    batch: Any
    random: RandomState
    finite: Tensor | None = None


class LossFigures(NamedTuple):
    """One loss of one batch; figures are of its finite values."""

    iteration: int
    name: str
    values: int
    non_finite: int
    low: float
    mean: float
    high: float


@dataclass
class Findings:
    """What a replay found.

    Attributes:
        losses: All losses, batch by batch.
        gradients: Parameters with a gradient that is not finite, by path.
        weights: Parameters and buffers not finite before the step, by path.
        images: Ids and paths of the images of all batches.
    """

    losses: list[LossFigures] = field(default_factory=list)
    gradients: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    @property
    def bad_losses(self) -> list[LossFigures]:
        """The losses that are not finite."""
        return [each for each in self.losses if each.non_finite]

    @property
    def bad(self) -> bool:
        """Whether anything is not finite."""
        return bool(self.bad_losses or self.gradients or self.weights)


def replay(model: Any, passes: Sequence[Pass], autocast: Dtype) -> Findings:
    """Pass batches forward and backward from their random states.

    Gradients add up, as between two steps of an optimizer, and stay in the
    model; its buffers change as in training. The process draws its random
    numbers afterwards as if nothing had happened.

    Args:
        model: A bare model of mmengine, in the mode it is to run in.
        passes: The batches, in order.
        autocast: What to compute in where it is safe; None is float32.
    """
    found = Findings(weights=non_finite(model.state_dict().items()))
    model.zero_grad(set_to_none=True)
    device = next(model.parameters()).device.type
    with random_state_kept():
        for each in passes:
            found.images += images_of(each.batch)
            set_random_state(each.random)
            precision = torch.autocast(device, autocast) if autocast else None
            with precision or nullcontext():
                data = model.data_preprocessor(each.batch, True)
                losses = model._run_forward(data, mode='loss')
            found.losses += _figures(each.iteration, losses)
            model.parse_losses(losses)[0].backward()
    found.gradients = non_finite(
        (name, parameter.grad)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    )
    return found


def non_finite(tensors: Any) -> list[str]:
    """Names of those of some named tensors with values that are not finite."""
    return [name for name, each in tensors if not each.isfinite().all()]


def images_of(batch: Any) -> list[str]:
    """Ids and paths of a batch's images, as far as its samples tell them."""
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    found = []
    for sample in samples or []:
        ids = (getattr(sample, key, None) for key in ('img_id', 'img_path'))
        found.append(' '.join(str(each) for each in ids if each is not None))
    return found


def loss_tensors(losses: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """What mmengine adds up to the loss: all whose name has 'loss' in it."""
    for name, value in losses.items():
        if 'loss' in name:
            each = value if isinstance(value, list | tuple) else [value]
            yield from ((name, tensor.detach()) for tensor in each)


def _figures(
    iteration: int, losses: Mapping[str, Any]
) -> Iterator[LossFigures]:
    together: dict[str, list[Tensor]] = {}
    for name, tensor in loss_tensors(losses):
        together.setdefault(name, []).append(tensor.float().flatten())
    for name, tensors in together.items():
        values = torch.cat(tensors)
        finite = values[values.isfinite()]
        figures = [torch.nan] * 3
        if len(finite):
            kinds = (finite.min(), finite.mean(), finite.max())
            figures = [float(each) for each in kinds]
        bad = len(values) - len(finite)
        yield LossFigures(iteration, name, len(values), bad, *figures)
