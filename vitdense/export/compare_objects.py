"""Objects that an exported file finds, beside those of the model.

N objects that the model finds, M places of the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vitdense.export.as_trained import found_by_mmdet
from vitdense.export.boxes import ANY_SCORE
from vitdense.export.compare import TOLERANCE, Arrays, DifferentError

# Of objects, those that may be others: where two boxes overlap by the very
# threshold, a rounding error decides which of them stay.
OTHERS = 0.02


@contextmanager
def any_score(network: Any) -> Iterator[None]:
    """Let a detector find objects of whatever score.

    Args:
        network: Of `vitdense.export.detectors`; its model does the same.
    """
    held = network.settings.score_thr
    network.settings.score_thr = ANY_SCORE
    try:
        yield
    finally:
        network.settings.score_thr = held


@torch.no_grad()
def compare_objects(
    found: Arrays, network: Any, pictures: Tensor, place: str
) -> dict[str, float]:
    """Hold objects in pictures against those that mmdet's own code finds.

    Args:
        found: What the file gives.
        network: What was exported.
        pictures: ``(B, H, W, 3)``.
        place: Of the comparison, for an error.

    Returns:
        The largest difference of each output but labels.

    Raises:
        DifferentError: If any is above `TOLERANCE`, of boxes that part of the
            picture's longer side; or if more than `OTHERS` are other objects.
    """
    size = pictures.shape[1], pictures.shape[2]
    worst = {name: 0.0 for name in network.outputs if name != 'labels'}
    wanted = found_by_mmdet(network.model, network.normalise(pictures), size)
    for number, right in enumerate(wanted):
        there = found['labels'][number] >= 0
        made = {
            name: torch.from_numpy(found[name][number][there])
            for name in network.outputs
        }
        same = _same(right, made, TOLERANCE * max(size))
        for one, paired in ((right, same.any(1)), (made, same.any(0))):
            others = _others(one['scores'], paired, network.settings)
            if others > OTHERS * len(paired):
                raise DifferentError(
                    f'boxes {place}: of {len(right["scores"])} objects that '
                    f'the model finds and {len(made["scores"])} of the file, '
                    f'{others} are other ones'
                )
        of_right, of_made = same.nonzero(as_tuple=True)
        for name in worst:
            error = (right[name][of_right] - made[name][of_made]).abs()
            most = float(error.max()) if error.numel() else 0.0
            worst[name] = max(worst[name], most)
        if worst.get('masks', 0.0) > TOLERANCE:
            raise DifferentError(
                f'masks {place} differ by {worst["masks"]:.2g} from the model'
            )
    return worst


def _same(
    right: dict[str, Tensor], made: dict[str, Tensor], pixels: float
) -> Tensor:
    """(N, M): which objects are equal in label, box and score."""
    boxes, scores = (
        (right[name][:, None] - made[name]).abs()
        for name in ('boxes', 'scores')
    )
    labels = right['labels'][:, None] == made['labels']
    return labels & (boxes.amax(2) <= pixels) & (scores <= TOLERANCE)


def _others(scores: Tensor, paired: Tensor, settings: Any) -> int:
    """How many have no equal, and are not there by a rounding error of their
    score: the last that had a place, or those above the threshold."""
    last = settings.score_thr
    if len(scores) == settings.max_per_img:
        last = float(scores.min())
    sure = scores > last + TOLERANCE * abs(last)
    return int((sure & ~paired).sum())
