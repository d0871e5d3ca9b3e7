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


def sum_rows(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """(R, C), (N, K) row numbers, (N, K) weights -> (N, C)."""
    return F.embedding_bag(
        index, rows, mode='sum', per_sample_weights=weight.to(rows.dtype)
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
    rows, row_weights = _neighbours(y, height)
    columns, column_weights = _neighbours(x, width)
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
