"""Masks of point-wise spatial attention, as mmcv calls its operators.

B images of H x W cells, each of which has weights of the Y x X cells around
itself. They are moved to where those cells are on the map; weights beyond it
are dropped.
Source: section 3.3 of PSANet (ECCV 2018).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

_COLLECT = 0  # mmcv's ``psa_type``; 1 distributes


@torch.no_grad()
def psamask_forward(
    masks: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fills ``output`` (B, H * W, H, W) where a weight belongs to a cell.

    Args:
        masks: (B, Y * X, H, W), the weights of each cell.
        output: Written to: cells weighted, by the cell they are weighted for
            (collecting), or the other way round (distributing).
        psa_type: 0 collects, 1 distributes.
        num_: B.
        h_feature: H.
        w_feature: W.
        h_mask: Y.
        w_mask: X.
        half_h_mask: Rows of weights above a cell's own.
        half_w_mask: Columns of weights left of a cell's own.
    """
    del num_, h_feature, w_feature
    mask, half = (h_mask, w_mask), (half_h_mask, half_w_mask)
    for weights, places in _windows(masks, output, psa_type, mask, half):
        places.copy_(weights)


@torch.no_grad()
def psamask_backward(
    grad_output: Tensor,
    grad_masks: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fills ``grad_masks`` (B, Y * X, H, W) from ``grad_output``.

    The other arguments are those of ``psamask_forward``.
    """
    del num_, h_feature, w_feature
    mask, half = (h_mask, w_mask), (half_h_mask, half_w_mask)
    windows = _windows(grad_masks, grad_output, psa_type, mask, half)
    for weights, places in windows:
        weights.copy_(places)


def _windows(
    masks: Tensor,
    attention: Tensor,
    psa_type: int,
    mask: tuple[int, int],
    half: tuple[int, int],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Views of the same weights in both tensors, for each cell of the map.

    A table of places for all cells at once would be larger than both.
    """
    height, width = masks.shape[2:]
    pairs = attention.unflatten(1, (height, width))
    if psa_type != _COLLECT:
        pairs = pairs.permute(0, 3, 4, 1, 2)
    table = masks.unflatten(1, mask)
    for row in range(height):
        high, to_rows = _cut(row, height, mask[0], half[0])
        for column in range(width):
            wide, to_columns = _cut(column, width, mask[1], half[1])
            yield (
                table[:, high, wide, row, column],
                pairs[:, to_rows, to_columns, row, column],
            )


def _cut(
    cell: int, cells: int, weights: int, half: int
) -> tuple[slice, slice]:
    """Weights around a cell that lie on the map, and the cells they are of."""
    first = max(0, half - cell)
    stop = min(weights, cells + half - cell)
    return slice(first, stop), slice(first + cell - half, stop + cell - half)
