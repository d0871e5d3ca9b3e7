"""Maps that an exported file gives, beside those of the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# of values up to 1; larger ones may differ by as much of themselves
TOLERANCE = 1e-4
Arrays = Mapping[str, npt.NDArray[Any]]


class DifferentError(ValueError):
    """An exported file gives something else than the model."""


@torch.no_grad()
def compare_maps(
    found: Arrays, network: Any, pictures: Tensor, place: str
) -> dict[str, float]:
    """Hold maps of pictures against those of the model.

    Args:
        found: What the file gives.
        network: What was exported.
        pictures: ``(B, H, W, 3)``.
        place: Of the comparison, for an error.

    Returns:
        The largest difference of each output but labels.

    Raises:
        DifferentError: If any is above `TOLERANCE`, naming the output.
    """
    worst: dict[str, float] = {}
    wanted = dict(zip(network.outputs, network(pictures), strict=True))
    for name, tensor in wanted.items():
        right, made = tensor.numpy(), found[name]
        if made.shape != right.shape:
            raise DifferentError(
                f'{name} {place} has shape {made.shape}, not {right.shape}'
            )
        if name == 'labels':
            _check_labels(made, right, wanted['logits'], f'{name} {place}')
            continue
        error = np.abs(made - right)
        worst[name] = float(error.max())
        if not (error <= TOLERANCE * np.maximum(1, np.abs(right))).all():
            raise DifferentError(
                f'{name} {place} differs by {error.max():.2g} from the model'
            )
    return worst


def _check_labels(
    made: npt.NDArray[Any],
    right: npt.NDArray[Any],
    logits: Tensor,
    place: str,
) -> None:
    """See that labels are equal where the best class is no near tie."""
    best, second = logits.topk(2, 1).values.unbind(1)
    tie = best - second <= 2 * TOLERANCE * best.abs().clamp(min=1)
    wrong = (made != right) & ~tie.numpy()
    if wrong.any():
        raise DifferentError(f'{place}: {wrong.sum()} differ from the model')
