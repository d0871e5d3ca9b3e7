"""Deformable RoI pooling, called as mmcv calls its compiled operator.

B maps of C channels and H x W cells; N RoIs of P x Q bins, each moved by its
offset. The host waits for the device once in each call, for the RoIs, of
which it makes sizes: how many samples a bin has.
Source: section 2.2 of arXiv:1703.06211, with samples as in RoIAlign.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vitdense.ops.precision import as_given, computable
from vitdense.ops.roi_geometry import Samples, axes, check_rois
from vitdense.ops.sampling import bilinear_extended, sum_rows

# Cells read at a time, or those of one RoI; 24 bytes each, and as many for
# their gradients.
_CELLS = 2**21


class _Grid(NamedTuple):
    """Where the samples of N RoIs lie without offsets, on the host."""

    images: list[int]
    """(N,)"""
    y: Samples
    x: Samples
    sizes: Tensor
    """(N, 2): width and height, in cells; offsets are multiples of them."""

    def samples(self, roi: int) -> tuple[int, int]:
        """Rows and columns of samples in a bin."""
        return int(self.y.per_bin[roi]), int(self.x.per_bin[roi])

    def groups(self) -> Iterator[tuple[int, list[int]]]:
        """RoIs that are pooled together: an image, and some of its RoIs.

        Those of the same samples come one after the other.
        """
        bins = self.y.position.size(1) * self.x.position.size(1)
        for image in sorted(set(self.images)):
            ours = [n for n, other in enumerate(self.images) if other == image]
            members: list[int] = []
            cells = 0
            for roi in sorted(ours, key=self.samples):
                more = 4 * bins * math.prod(self.samples(roi))
                if members and cells + more > _CELLS:
                    yield image, members
                    members, cells = [], 0
                members.append(roi)
                cells += more
            yield image, members


@torch.no_grad()
def deform_roi_pool_forward(
    features: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Fills ``output`` (N, C, P, Q) with the averages of the moved bins.

    Args:
        features: (B, C, H, W).
        rois: (N, 5): image index, x1, y1, x2, y2 in pixels.
        offset: (N, 2, P, Q), x and y in sizes of the RoI; or empty.
        output: Written to.
        pooled_height: P.
        pooled_width: Q.
        spatial_scale: Cells per pixel.
        sampling_ratio: Samples to a bin and axis; 0: one to each cell begun.
        gamma: Factor of the offsets.

    Raises:
        ValueError: A RoI names no image, or is not a finite box.
    """
    bins = pooled_height, pooled_width
    maps, moves = computable(features), _moves(offset, len(rois), bins)
    grid = _grid(rois, maps, bins, spatial_scale, sampling_ratio)
    with as_given(features):
        for image, members in grid.groups():
            chosen = _index(members, maps.device)
            pooled = _pool(maps[image], gamma * moves[chosen], members, grid)
            output[chosen] = pooled.to(output.dtype)


@torch.no_grad()
def deform_roi_pool_backward(
    grad_output: Tensor,
    features: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Adds to ``grad_input``, and fills ``grad_offset``, from ``grad_output``.

    The derivative is the true one; the compiled operator's differs where a
    sample lies beyond the centres of the border's cells. The other arguments
    are those of ``deform_roi_pool_forward``.
    """
    bins = pooled_height, pooled_width
    maps, moves = computable(features), _moves(offset, len(rois), bins)
    grad, total = computable(grad_output), computable(grad_input)
    grid = _grid(rois, maps, bins, spatial_scale, sampling_ratio)
    for image, members in grid.groups():
        chosen = _index(members, maps.device)
        leaves = maps[image], moves[chosen]
        for leaf in leaves:
            leaf.requires_grad_()
        with as_given(features), torch.enable_grad():
            pooled = _pool(leaves[0], gamma * leaves[1], members, grid)
        found = torch.autograd.grad(pooled, leaves, grad[chosen])
        total[image] += found[0]
        if offset.numel():
            grad_offset[chosen] = found[1].to(grad_offset.dtype)
    if total.dtype != grad_input.dtype:
        grad_input.copy_(total)


def _index(members: list[int], device: torch.device) -> Tensor:
    """Numbers of RoIs, on the device, without waiting for it."""
    return torch.tensor(members).to(device, non_blocking=True)


def _moves(offset: Tensor, count: int, bins: tuple[int, int]) -> Tensor:
    """The offsets (N, 2, P, Q), zeros where there are none."""
    moves = computable(offset)
    return moves if moves.numel() else moves.new_zeros(count, 2, *bins)


def _grid(
    rois: Tensor,
    maps: Tensor,
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
) -> _Grid:
    rois = computable(rois).cpu()
    check_rois(rois, len(maps), spatial_scale, aligned=True)
    y, x = axes(rois, maps.shape[2:], bins, spatial_scale, aligned=True)
    return _Grid(
        rois[:, 0].int().tolist(),
        y.samples(sampling_ratio),
        x.samples(sampling_ratio),
        torch.stack([x.size, y.size], 1),
    )


def _pool(
    plane: Tensor, moves: Tensor, members: list[int], grid: _Grid
) -> Tensor:
    """(C, H, W), (K, 2, P, Q) -> (K, C, P, Q), of K RoIs of one image."""
    channels, *size = plane.shape
    high, wide = moves.shape[2:]
    runs = [list(run) for _, run in itertools.groupby(members, grid.samples)]
    index, weight, lengths = [], [], []
    for run, move in zip(runs, moves.split([*map(len, runs)]), strict=True):
        rows, columns = grid.samples(run[0])
        y, x, sizes = (
            tensor.to(plane.device, non_blocking=True)
            for tensor in (
                grid.y.position[run, :, :rows],
                grid.x.position[run, :, :columns],
                grid.sizes[run, :, None, None],
            )
        )
        move_x, move_y = (sizes * move)[..., None, None].unbind(1)
        # (RoIs, P, Q, rows, columns of samples)
        cells, shares = bilinear_extended(
            y[:, :, None, :, None] + move_y,
            x[:, None, :, None] + move_x,
            *size,
        )
        index.append(cells.flatten())
        weight.append(shares.flatten() / max(rows * columns, 1))
        bins = len(run) * high * wide
        lengths.append(torch.full((bins,), 4 * rows * columns))
    read = torch.cat(lengths)
    pooled = sum_rows(
        plane.flatten(1).mT,
        torch.cat(index),
        torch.cat(weight),
        (read.cumsum(0) - read).to(plane.device, non_blocking=True),
    )
    return pooled.view(-1, high, wide, channels).permute(0, 3, 1, 2)
