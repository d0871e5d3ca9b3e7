"""Weighted sums of a map's cells: what sampling operators are made of.

A map is a table of R rows, one for each cell, of C channels. A sample between
four cells is the sum of four rows by their bilinear weights; so are averages
of samples and attention to them, with more rows to a sum. PyTorch sums rows
as embeddings in bags: quick on every device, without a tensor of all rows
taken, and differentiable.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vitdense.ops.roi_geometry import locate


def sum_rows(
    rows: Tensor, index: Tensor, weight: Tensor, first: Tensor | None = None
) -> Tensor:
    """Weighted sums of rows.

    Args:
        rows: (R, C).
        index: (N, K) numbers of rows; or (M,), of all sums one by one.
        weight: As ``index``, factors of the rows.
        first: (N,), with ``index`` (M,): where in it each sum begins.

    Returns:
        (N, C)
    """
    return F.embedding_bag(
        index, rows, first, mode='sum', per_sample_weights=weight
    )


def bilinear(
    y: Tensor, x: Tensor, height: Tensor | int, width: Tensor | int
) -> tuple[Tensor, Tensor]:
    """The four cells around each position, with zeros around the map.

    A position a whole cell outside of the map, or not a number, weighs
    nothing and moves nothing: its derivative is zero, as mmcv has it, also
    at exactly -1, where layers that begin with zero offsets look.

    Args:
        y: (...) in cells, 0 at the centre of the first row.
        x: (...) in cells.
        height: Of the map, in cells; a tensor where maps differ.
        width: As ``height``.

    Returns:
        Two of (..., 4): cell numbers ``row * width + column``, and weights.
    """
    return _corners(_neighbours(y, height), _neighbours(x, width), width)


def bilinear_extended(
    y: Tensor, x: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """As ``bilinear``, but the border's cells extend by one cell.

    That is how RoIs are sampled. ``y`` and ``x`` are broadcast.
    """
    return _corners(_clamped(y, height), _clamped(x, width), width)


def _corners(
    along_y: tuple[Tensor, Tensor],
    along_x: tuple[Tensor, Tensor],
    width: Tensor | int,
) -> tuple[Tensor, Tensor]:
    """Cells and weights by axis, (..., 2), -> those of the map, (..., 4)."""
    (rows, row_weights), (columns, column_weights) = along_y, along_x
    stride = width[..., None, None] if isinstance(width, Tensor) else width
    cells = rows[..., None] * stride + columns[..., None, :]
    weights = row_weights[..., None] * column_weights[..., None, :]
    return cells.flatten(-2), weights.flatten(-2)


def _neighbours(
    position: Tensor, cells: Tensor | int
) -> tuple[Tensor, Tensor]:
    """(...) -> (..., 2): the cells beside it and their weights."""
    inside = (position > -1) & (position < cells)
    position = torch.where(inside, position, -1.0)  # -1 weighs nothing
    low = position.detach().floor()
    fraction = position - low
    index = torch.stack([low, low + 1], -1)
    weight = torch.stack([1 - fraction, fraction], -1)
    end = cells[..., None] if isinstance(cells, Tensor) else cells
    on_map = (index >= 0) & (index < end)
    return torch.where(on_map, index, 0).long(), weight * on_map


def _clamped(position: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """As ``_neighbours``, with the border's cells extended."""
    low, fraction, valid = locate(position, cells)
    index = torch.stack([low, (low + 1).clamp(max=cells - 1)], -1)
    weight = torch.stack([1 - fraction, fraction], -1)
    return index, weight * valid[..., None]
