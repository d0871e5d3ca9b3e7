"""Non-maximum suppression, called as mmcv calls its compiled operators.

How many boxes are kept is the size of the answer, so the host must learn it:
off the CPU ``nms`` waits for the device once, for the table of who overlaps
whom, and never again. torchvision's operator is not used: compiled for a GPU
it rounds overlaps in another way, so boxes at the threshold may differ.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from vitdense.ops.backend import kernels_for

# Boxes compared with all later ones at a time; a multiple of 8.
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
    table = _overlap_bits(ranked, iou_threshold, offset).cpu().numpy()
    kept = torch.from_numpy(_first_come(table))
    return order[kept.to(order.device, non_blocking=True)]


def _overlap_bits(boxes: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """(N, 4) -> (N, N / 8, rounded up), a bit for each pair that overlaps.

    Bit ``j % 8`` of byte ``j // 8`` in row ``i`` is for the boxes ``i`` and
    ``j``. It is right where ``j`` is at least ``i``; nobody reads the others.
    """
    count = len(boxes)
    table = boxes.new_zeros(count, -(-count // 8), dtype=torch.uint8)
    digits = 2 ** torch.arange(8, dtype=torch.uint8, device=boxes.device)
    for start in range(0, count, _BLOCK):
        later = boxes[start:]
        overlaps = _iou(later[:_BLOCK], later, offset) > iou_threshold
        bits = F.pad(overlaps, (0, -len(later) % 8)).unflatten(1, (-1, 8))
        table[start : start + _BLOCK, start // 8 :] = (bits * digits).sum(
            -1, dtype=torch.uint8
        )
    return table


def _first_come(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """``_overlap_bits`` -> (K,) places of boxes that no kept one overlaps."""
    dropped = np.zeros(table.shape[1], np.uint8)
    kept = []
    for i, overlapped in enumerate(table):
        if not dropped[i // 8] >> i % 8 & 1:
            kept.append(i)
            dropped |= overlapped
    return np.array(kept, np.int64)


def _iou(boxes: Tensor, others: Tensor, offset: int) -> Tensor:
    """(N, 4), (M, 4) -> (N, M), in the arithmetic of mmcv's operator."""
    x1, y1, x2, y2 = boxes.mT.unsqueeze(-1).contiguous()
    u1, v1, u2, v2 = others.mT.contiguous()
    width = (x2.minimum(u2) - x1.maximum(u1)).add_(offset).clamp_(min=0)
    height = (y2.minimum(v2) - y1.maximum(v1)).add_(offset).clamp_(min=0)
    overlap = width.mul_(height)
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    other_area = (u2 - u1 + offset) * (v2 - v1 + offset)
    return overlap / (area + other_area).sub_(overlap)


@torch.no_grad()
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Who suppresses whom, for (N, 5) x1, y1, x2, y2, score on the CPU.

    mmcv brings the boxes of any device to the CPU before it calls this.

    Args:
        dets: Boxes with their scores.
        iou_threshold: Overlap from which a box is suppressed.

    Returns:
        For each box kept, best first: its index, and then those of the boxes
        that it suppresses, by score.
    """
    order = dets[:, 4].sort(0, descending=True)[1].numpy()
    boxes = dets[torch.from_numpy(order), :4].float()
    left: npt.NDArray[np.int64] = np.arange(len(order))
    matched = []
    while left.size:
        iou = _iou(boxes[left[:1]], boxes[left], offset=0)[0].numpy()
        close = iou >= np.float32(iou_threshold)
        close[0] = True  # the box itself, even without area
        matched.append(order[left[close]].tolist())
        left = left[~close]
    return matched


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
    mmcv brings the boxes of any device to the CPU before it calls this.

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
