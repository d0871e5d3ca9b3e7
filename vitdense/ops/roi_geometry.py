"""Where RoIAlign looks at a feature map, one axis at a time.

All but ``check_rois`` and ``locate`` is meant for RoIs on the host, because
it makes sizes of them.

N RoIs, P bins along the axis, S samples per bin, L cells of the map.

Bilinear sampling is a product of a weight along y and one along x, and so is
its rule for samples outside of the map. Averaging a bin's samples is therefore
two small matrix products, one with the (P, L) weights of each axis.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Samples(NamedTuple):
    """Sampling positions along one axis, padded to the finest RoI's count."""

    position: Tensor
    """(N, P, S) in cells; may lie outside of the map."""
    low: Tensor
    """(N, P, S) index of the cell at or before the position."""
    fraction: Tensor
    """(N, P, S) distance from that cell, in cells."""
    valid: Tensor
    """(N, P, S): not padding, and at most one cell outside of the map."""
    per_bin: Tensor
    """(N,) samples per bin."""


class Axis(NamedTuple):
    """Extent of the RoIs along one axis of a map."""

    start: Tensor
    """(N,) in cells."""
    size: Tensor
    """(N,) in cells."""
    cells: int
    bins: int

    def samples(self, sampling_ratio: int) -> Samples:
        """Positions of the samples, in the arithmetic of mmcv's operator.

        ``sampling_ratio`` samples to a bin; with 0 one to each cell begun.
        """
        if sampling_ratio > 0:
            count = torch.full_like(self.size, sampling_ratio)
        else:
            count = (self.size / self.bins).ceil()
        most = int(count.max()) if len(count) else 0
        index = torch.arange(
            max(most, self.bins), dtype=count.dtype, device=count.device
        )
        step = (self.size / self.bins)[:, None]
        bin_start = self.start[:, None] + index[: self.bins] * step
        within = (index[:most] + 0.5) * step / count[:, None]
        position = bin_start[:, :, None] + within[:, None]
        low, fraction, valid = locate(position, self.cells)
        valid &= index[:most] < count[:, None, None]
        return Samples(position, low, fraction, valid, count.long())


def locate(position: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cell at or before a position, distance from it, and whether it counts.

    The border's cells extend by one cell; nothing beyond counts.
    """
    valid = (position >= -1) & (position <= cells)
    inside = torch.where(valid, position, 0).clamp(0, cells - 1)
    low = inside.long()
    return low, inside - low, valid


def axes(
    rois: Tensor,
    map_size: Sequence[int],
    bins: tuple[int, int],
    spatial_scale: float,
    aligned: bool,
) -> tuple[Axis, Axis]:
    """Extents of (N, 5) RoIs ``(image, x1, y1, x2, y2)`` along y and x.

    Args:
        map_size: Height and width of the feature map, in cells.
        bins: Height and width of the output.
        spatial_scale: Cells per pixel.
        aligned: Shift by half a cell; otherwise RoIs are at least one cell
            wide and high, as in mmdet's first releases.

    """
    start, stop = _corners(rois, spatial_scale, aligned)
    size = stop - start
    if not aligned:
        size = size.clamp(min=1)
    y = Axis(start[:, 1], size[:, 1], map_size[0], bins[0])
    x = Axis(start[:, 0], size[:, 0], map_size[1], bins[1])
    return y, x


def check_rois(
    rois: Tensor, num_maps: int, spatial_scale: float, aligned: bool
) -> None:
    """Refuses (N, 5) RoIs of no image, and those that are no boxes.

    On CUDA the device refuses when it comes to them, by an assertion that
    ends the process: the host would have to wait for it to say more.

    Args:
        num_maps: How many images there are; RoIs name them from 0 on.
        spatial_scale: As in ``axes``.
        aligned: As in ``axes``; only then sizes may not be negative.

    Raises:
        ValueError: A RoI names no image, is not finite, or with ``aligned``
            of negative size.
    """
    images = rois[:, 0].long()
    foreign = (images < 0) | (images >= num_maps)
    start, stop = _corners(rois, spatial_scale, aligned)
    size = stop - start  # not finite if a corner is not
    bad = ~size.isfinite().all(1)
    if aligned:
        bad |= (size < 0).any(1)
    if rois.device.type == 'cuda':
        torch._assert_async(
            ~(foreign | bad).any(),
            'RoIAlign: a RoI names no image, or is not a finite box',
        )
    elif foreign.any():
        raise ValueError(
            f'RoIs name image {int(images[foreign][0])}; the feature map has '
            f'{num_maps} images, counted from 0'
        )
    elif bad.any():
        index = int(bad.nonzero()[0])
        raise ValueError(
            f'RoI {index} of {len(rois)} is not a finite box with '
            f'x1 <= x2 and y1 <= y2: {rois[index, 1:].tolist()}'
        )


def _corners(
    rois: Tensor, spatial_scale: float, aligned: bool
) -> tuple[Tensor, Tensor]:
    """(N, 5) RoIs -> (N, 2) x and y of first and last corners, in cells."""
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    return corners[:, :2], corners[:, 2:]


def bin_weights(axis: Axis, sampling_ratio: int) -> Tensor:
    """Weight of each cell in each bin's average along one axis.

    Returns:
        (N, P, L); a bin without valid samples weighs nothing.
    """
    samples = axis.samples(sampling_ratio)
    share = samples.valid / samples.per_bin.clamp(min=1)[:, None, None]
    high = (samples.low + 1).clamp(max=axis.cells - 1)
    weights = axis.start.new_zeros(len(axis.start), axis.bins, axis.cells)
    weights.scatter_add_(2, samples.low, (1 - samples.fraction) * share)
    return weights.scatter_add_(2, high, samples.fraction * share)


def spans(weights: Tensor) -> Tensor:
    """(..., L) -> (..., 2): first cell in use and the one after the last.

    Both are 0 where no cell is.
    """
    used = (weights != 0).byte()
    first = used.argmax(-1)
    stop = used.size(-1) - used.flip(-1).argmax(-1)
    return torch.stack([first, stop], -1) * used.amax(-1, keepdim=True)
