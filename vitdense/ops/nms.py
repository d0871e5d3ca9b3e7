"""Non-maximum suppression, called as mmcv calls its compiled operators."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vitdense.ops.backend import kernels_for

# Boxes compared with all later ones at a time.
_BLOCK = 512

Array = npt.NDArray[np.float32]


@torch.no_grad()
def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """(N, 4) boxes x1, y1, x2, y2 and (N,) scores -> (K,) indices kept.

    Kept boxes come best first, ties in the order of
    ``scores.sort(0, descending=True)``; a box goes if its overlap with a kept
    one before it is above the threshold.

    Args:
        offset: Added to widths and heights; 1 where x2 is the last pixel.
    """
    order = scores.sort(0, descending=True)[1]
    ranked = boxes[order].float()
    kernels = kernels_for(ranked)
    if kernels is not None:
        kept = kernels.greedy_nms(
            ranked.mT.contiguous().numpy(),
            np.float32(iou_threshold),
            np.float32(offset),
        )
        return order[torch.from_numpy(kept)]
    return order[_greedy(ranked, iou_threshold, offset)]


def _greedy(boxes: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """(N, 4) boxes, best first -> (K,) places of those kept."""
    alive = torch.arange(len(boxes), device=boxes.device)
    kept = [alive[:0]]
    while len(alive):
        block = alive[:_BLOCK]
        overlaps = _iou(boxes[block], boxes[alive], offset) > iou_threshold
        good = _first_come(overlaps[:, : len(block)].triu(1))
        kept.append(block[good])
        later = ~overlaps[good, len(block) :].any(0)
        alive = alive[_BLOCK:][later]
    return torch.cat(kept)


def _first_come(overlaps: Tensor) -> Tensor:
    """(N, N) upper triangle -> (N,) whether no kept one before overlaps.

    Each round settles at least one more box, and all rounds after the last
    leave the answer as it is.
    """
    good = overlaps.new_ones(len(overlaps))
    while True:
        update = ~(overlaps & good[:, None]).any(0)
        if update.equal(good):
            return good
        good = update


def _iou(boxes: Tensor, others: Tensor, offset: int) -> Tensor:
    """(N, 4), (M, 4) -> (N, M), in the arithmetic of mmcv's operator."""
    low = torch.maximum(boxes[:, None, :2], others[:, :2])
    high = torch.minimum(boxes[:, None, 2:], others[:, 2:])
    width, height = (high - low + offset).clamp(min=0).unbind(-1)
    overlap = width * height
    area, other_area = (
        (b[:, 2] - b[:, 0] + offset) * (b[:, 3] - b[:, 1] + offset)
        for b in (boxes, others)
    )
    return overlap / (area[:, None] + other_area - overlap)


@torch.no_grad()
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """(N, 4) boxes and (N,) scores on the CPU -> (K,) indices kept.

    Boxes are taken best first, and lower the scores of those they overlap.

    Args:
        dets: (N, 5), written to: the boxes taken and their scores then.
        iou_threshold: Overlap from which methods 0 and 1 act.
        sigma: Width of method 2.
        min_score: A box whose score falls below is dropped.
        method: 0 removes, 1 lowers by the overlap, 2 by its gaussian.
        offset: Added to widths and heights.
    """
    table = torch.cat([boxes, scores[:, None]], 1).float().numpy()
    index = np.arange(len(table))
    i = 0
    while i < len(table):
        best = i + int(table[i:, 4].argmax())
        for array in (table, index):
            array[[i, best]] = array[[best, i]]
        rest = table[i + 1 :]
        rest[:, 4] *= _decay(
            table[i], rest, iou_threshold, sigma, method, offset
        )
        keep = _close_gaps(rest[:, 4] >= min_score)
        table = np.concatenate([table[: i + 1], rest[keep]])
        index = np.concatenate([index[: i + 1], index[i + 1 :][keep]])
        i += 1
    dets[: len(table)] = torch.from_numpy(table).to(dets.dtype)
    return torch.from_numpy(index)


def _decay(
    box: Array,
    others: Array,
    iou_threshold: float,
    sigma: float,
    method: int,
    offset: int,
) -> Array:
    """(5,), (N, 5) -> (N,) factors of the others' scores."""
    pair = torch.from_numpy(box[None, :4]), torch.from_numpy(others[:, :4])
    iou = _iou(*pair, offset)[0].numpy()
    if method == 2:
        return np.exp(-(iou * iou) / np.float32(sigma))
    lowered = 1 - iou if method == 1 else np.zeros_like(iou)
    close = iou >= np.float32(iou_threshold)
    return np.where(close, lowered, np.float32(1))


def _close_gaps(keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """(N,) -> (K,) what stands where, once gaps are filled from the end.

    The order decides ties between later scores.
    """
    count = int(keep.sum())
    places = np.arange(count)
    places[~keep[:count]] = count + np.flatnonzero(keep[count:])[::-1]
    return places
