"""From what heads give to boxes, for a batch at once and without branches.

B pictures, N boxes of each, M that are kept at most. What mmdet does for one
picture after another, with as many boxes as there are, stands here with sizes
that do not depend on values: places that stay empty have the label -1.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitdense.export.operators import NonMaxSuppression

# mmdet's, of widths and heights that deltas make of an anchor's
MOST_GROWTH = abs(math.log(16 / 1000))
# scores are from 0 on; of what is no box there is one below
NO_SCORE, ANY_SCORE = -1.0, -0.5


class Boxes(NamedTuple):
    """Boxes of a batch; corners in pixels."""

    corners: Tensor
    """(B, N, 4) left, top, right, bottom."""
    scores: Tensor
    """(B, N)"""
    groups: Tensor
    """(B, N): of different ones none drops another; -1 where there is no box.
    The label, if they are results."""

    def where(self) -> tuple[Tensor, Tensor]:
        """(R,), (R,): picture and place of all boxes that are there."""
        pictures, places = (self.groups >= 0).nonzero(as_tuple=True)
        return pictures, places


def decode(
    anchors: Tensor, deltas: Tensor, coder: Any, size: Sequence[Any]
) -> Tensor:
    """(..., 4), (..., 4) -> (..., 4) corners within the picture.

    Args:
        anchors: Corners.
        deltas: What a head says of them.
        coder: mmdet's ``DeltaXYWHBBoxCoder``.
        size: Height and width of the picture.
    """
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(
        coder.means
    )
    first, last = anchors[..., :2], anchors[..., 2:]
    centre = (first + last) * 0.5 + (last - first) * deltas[..., :2]
    growth = deltas[..., 2:].clamp(-MOST_GROWTH, MOST_GROWTH).exp()
    half = (last - first) * growth * 0.5
    corners = torch.cat([centre - half, centre + half], -1)
    if not coder.clip_border:
        return corners
    height, width = (torch.as_tensor(side).to(deltas) for side in size)
    most = torch.stack([width, height, width, height])
    return torch.minimum(corners.clamp(min=0), most)


def best(logits: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """(B, N) -> two of (B, most or N if that is less): values and places."""
    count = torch.minimum(
        torch._shape_as_tensor(logits)[1], torch.tensor(most)
    )
    # a number to PyTorch, and a tensor, which is followed, to the exporter
    values, places = logits.topk(count)  # type: ignore[arg-type]
    return values, places


def at(values: Tensor, places: Tensor) -> Tensor:
    """(B, N, ...), (B, M) -> (B, M, ...)"""
    shape = (*places.shape, *(1 for _ in values.shape[2:]))
    return values.gather(
        1, places.reshape(shape).expand(-1, -1, *values.shape[2:])
    )


def suppress(given: Boxes, settings: Any) -> Boxes:
    """The best M of each picture; empty places have 0 and the group -1.

    Args:
        given: Candidates.
        settings: mmdet's ``test_cfg``: ``max_per_img`` is M.
    """
    corners, scores, groups = given
    most = settings.max_per_img
    # as mmdet does: groups are moved apart
    apart = groups.to(corners) * (corners.amax((1, 2))[:, None] + 1)
    kept = NonMaxSuppression.apply(
        corners + apart[..., None],
        scores[:, None],
        most,
        settings.nms.iou_threshold,
        settings.get('score_thr', ANY_SCORE),
    )
    where = kept[:, 0], kept[:, 2]
    marked = torch.full_like(scores, NO_SCORE).index_put(where, scores[where])
    empty = torch.full_like(scores[:, :1], NO_SCORE).expand(-1, most)
    scores, places = torch.cat([marked, empty], 1).topk(most)
    there = scores > ANY_SCORE
    places = torch.where(there, places, 0)
    return Boxes(
        at(corners, places) * there[..., None],
        scores.clamp(min=0),
        torch.where(there, at(groups, places), -1),
    )
