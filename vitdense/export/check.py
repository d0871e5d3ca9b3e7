"""Whether an exported file gives what the model gives."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vitdense.export.networks import example
from vitdense.predict.exported import ExportedFile

# of values up to 1; larger ones may differ by as much of themselves
TOLERANCE = 1e-4


class DifferentError(ValueError):
    """An exported file gives something else than the model."""


def sizes_to_check(side: int) -> tuple[tuple[int, int, int], ...]:
    """Batch, height and width: none square, none of which the model was
    traced on, one of odd sides.

    Args:
        side: The least side that the model takes, in pixels.
    """
    return (
        (1, side, 2 * side),
        (2, 2 * side + 1, side + 3),
        (3, side + side // 2, side),
    )


def check(path: Path, network: Any, side: int) -> dict[str, float]:
    """Hold a file's results against those of the network, at three sizes.

    Args:
        path: Of the file.
        network: Of `vitdense.export.networks`, that was exported.
        side: The least side that the model takes, in pixels.

    Returns:
        The largest difference of each output but labels.

    Raises:
        DifferentError: If any is above `TOLERANCE`, naming output and size.
    """
    file = ExportedFile(path)
    worst: dict[str, float] = {}
    for batch, height, width in sizes_to_check(side):
        pictures = example(height, width, batch, seed=height)
        found = file(pictures.numpy())
        with torch.no_grad():
            wanted = dict(zip(network.outputs, network(pictures), strict=True))
        for name, tensor in wanted.items():
            right, made = tensor.numpy(), found[name]
            place = f'{name} of {batch} x {height} x {width} pixels'
            if made.shape != right.shape:
                raise DifferentError(
                    f'{place} has shape {made.shape}, not {right.shape}'
                )
            if name == 'labels':
                _check_labels(made, right, wanted['logits'], place)
                continue
            error = np.abs(made - right)
            worst[name] = max(worst.get(name, 0.0), float(error.max()))
            bound = TOLERANCE * np.maximum(1, np.abs(right))
            if not (error <= bound).all():
                raise DifferentError(
                    f'{place} differs by {error.max():.2g} from the model'
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
