"""Average RoIAlign as two matrix products per RoI.

B maps of C channels and H x W cells; N RoIs of P x Q bins. The RoIs' images
and axes are on the host, the maps anywhere.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vitdense.ops.backend import kernels_for
from vitdense.ops.roi_geometry import Axis, bin_weights, spans

# Cells that one matrix product reads, summed over its RoIs: many RoIs share a
# product on small maps, where calls cost most, few on large ones.
_CELLS_PER_PRODUCT = 1 << 16


def average_forward(
    maps: Tensor, images: Tensor, y: Axis, x: Axis, sampling_ratio: int
) -> Tensor:
    """(B, C, H, W), (N,) image indices -> (N, C, P, Q)."""
    rows, columns = (bin_weights(axis, sampling_ratio) for axis in (y, x))
    pooled = maps.new_zeros(len(images), maps.size(1), y.bins, x.bins)
    kernels = kernels_for(maps)
    if kernels is not None:
        prepared = kernels.PreparedRoIs(
            *_prepare(len(maps), images, rows, columns)
        )
        kernels.in_threads(
            kernels.average_forward,
            maps.contiguous().numpy(),
            pooled.numpy(),
            prepared,
        )
        return pooled
    for group in _groups(maps, images, rows, columns):
        image, members, height, width, row_weights, column_weights = group
        # (C, kP, W), as if the k RoIs' bins were one RoI's
        bands = row_weights.flatten(0, 1) @ maps[image, :, height, width]
        bands = bands.unflatten(1, (-1, y.bins)).transpose(0, 1)
        pooled[members] = bands @ column_weights.mT[:, None]
    return pooled


def average_backward(
    grad_maps: Tensor,
    grad: Tensor,
    images: Tensor,
    y: Axis,
    x: Axis,
    sampling_ratio: int,
) -> None:
    """Adds gradients (N, C, P, Q) to those of the maps, in place.

    Args:
        grad_maps: (B, C, H, W), contiguous.
    """
    rows, columns = (bin_weights(axis, sampling_ratio) for axis in (y, x))
    kernels = kernels_for(grad)
    if kernels is not None:
        prepared = kernels.PreparedRoIs(
            *_prepare(len(grad_maps), images, rows, columns)
        )
        kernels.in_threads(
            kernels.average_backward,
            grad_maps.numpy(),
            grad.contiguous().numpy(),
            prepared,
        )
        return
    for group in _groups(grad_maps, images, rows, columns):
        image, members, height, width, row_weights, column_weights = group
        bands = grad[members] @ column_weights[:, None]
        bands = bands.transpose(0, 1).flatten(1, 2)
        grad_maps[image, :, height, width] += (
            row_weights.flatten(0, 1).mT @ bands
        )


def _prepare(
    num_maps: int, images: Tensor, rows: Tensor, columns: Tensor
) -> list[npt.NDArray[np.generic]]:
    """The fields of ``kernels.PreparedRoIs``."""
    by_image = images.argsort(stable=True)
    bounds = torch.searchsorted(images[by_image], torch.arange(num_maps + 1))
    extent = spans(columns.sum(1))
    fields = (
        by_image,
        bounds,
        rows,
        spans(rows),
        columns,
        spans(columns),
        extent,
    )
    return [field.numpy() for field in fields]


def _groups(
    maps: Tensor, images: Tensor, rows: Tensor, columns: Tensor
) -> Iterator[tuple[int, Tensor, slice, slice, Tensor, Tensor]]:
    """RoIs that share matrix products, by image and from top to bottom.

    Yields:
        The image, (K,) indices of RoIs, rows and columns of the map that they
        read, and their (K, P, rows) and (K, Q, columns) weights there.
        Tensors are where the maps are.
    """
    size = max(1, _CELLS_PER_PRODUCT // (maps.size(2) * maps.size(3)))
    extent_y, extent_x = (spans(axis.sum(1)) for axis in (rows, columns))
    order = extent_y[:, 0].argsort(stable=True)
    order = order[images[order].argsort(stable=True)]
    # sent in one piece each, not group by group
    members, rows, columns = (
        tensor.to(maps.device, non_blocking=True)
        for tensor in (order, rows[order], columns[order])
    )
    start = 0
    for image, count in enumerate(images.bincount().tolist()):
        stop = start + count
        for low in range(start, stop, size):
            group = slice(low, min(low + size, stop))
            height = _union(extent_y[order[group]])
            width = _union(extent_x[order[group]])
            weights = rows[group, :, height], columns[group, :, width]
            yield image, members[group], height, width, *weights
        start = stop


def _union(extents: Tensor) -> slice:
    """(K, 2) spans -> the cells from the first to the last."""
    return slice(int(extents[:, 0].min()), int(extents[:, 1].max()))
