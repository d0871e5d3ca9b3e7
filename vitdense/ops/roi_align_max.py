"""Max RoIAlign: the largest sample of each bin, and where it was taken.

B maps of C channels and H x W cells; N RoIs of P x Q bins. The forward pass
takes the RoIs' images and axes from the host, the maps from anywhere.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from vitdense.ops.roi_geometry import Axis, locate

# A bin's value where it has no sample, and its place: mmcv's conventions.
_LOWEST = -10000.0
_NOWHERE = -1.0


def max_forward(
    maps: Tensor, images: Tensor, y: Axis, x: Axis, sampling_ratio: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, C, H, W), (N,) image indices -> three times (N, C, P, Q).

    Returns:
        The largest sample of each bin, its y and its x.
    """
    shape = (len(images), maps.size(1), y.bins, x.bins)
    pooled = maps.new_full(shape, _LOWEST)
    best_y, best_x = (maps.new_full(shape, _NOWHERE) for _ in range(2))
    rows, columns = y.samples(sampling_ratio), x.samples(sampling_ratio)
    bins = torch.arange(max(y.bins, x.bins), device=maps.device)
    row_places, column_places = (
        samples.position.to(maps.device, non_blocking=True)
        for samples in (rows, columns)
    )
    sizes = torch.stack([images, rows.per_bin, columns.per_bin], 1)
    for n, (image, high, wide) in enumerate(sizes.tolist()):
        if not high or not wide:
            continue
        at_y, at_x = row_places[n, :, :high], column_places[n, :, :wide]
        values = _sample(maps[image], at_y.flatten(), at_x.flatten())
        values = values.unflatten(2, (-1, wide)).unflatten(1, (-1, high))
        largest, index = values.transpose(2, 3).flatten(3).max(-1)
        found = largest > _LOWEST
        place_y = at_y[bins[: y.bins, None], index // wide]
        place_x = at_x[bins[: x.bins], index % wide]
        pooled[n] = torch.where(found, largest, _LOWEST)
        best_y[n] = torch.where(found, place_y, _NOWHERE)
        best_x[n] = torch.where(found, place_x, _NOWHERE)
    return pooled, best_y, best_x


def max_backward(
    grad_maps: Tensor,
    grad: Tensor,
    images: Tensor,
    best_y: Tensor,
    best_x: Tensor,
) -> None:
    """Adds gradients (N, C, P, Q) where the samples were taken, in place.

    Args:
        grad_maps: (B, C, H, W), contiguous.
        images: (N,) indices, where the maps are.
    """
    channels, height, width = grad_maps.shape[1:]
    plane = images[:, None] * channels
    plane = plane + torch.arange(channels, device=grad.device)
    start = (plane * height * width)[:, :, None, None]
    grad = torch.where(best_y == _NOWHERE, 0, grad)
    for row, row_weight in _taps(best_y, height):
        for column, column_weight in _taps(best_x, width):
            cell = start + row * width + column
            part = grad * row_weight * column_weight
            grad_maps.view(-1).index_add_(0, cell.flatten(), part.flatten())


def _sample(plane: Tensor, at_y: Tensor, at_x: Tensor) -> Tensor:
    """(C, H, W), (I,), (J,) -> (C, I, J) bilinear samples of the grid."""
    samples = plane.new_zeros(len(plane), len(at_y), len(at_x))
    for row, row_weight in _taps(at_y, plane.size(1)):
        for column, column_weight in _taps(at_x, plane.size(2)):
            weight = row_weight[:, None] * column_weight
            samples += weight * plane[:, row[:, None], column]
    return samples


def _taps(position: Tensor, cells: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The two cells a position lies between, each with its weight."""
    low, fraction, valid = locate(position, cells)
    yield low, (1 - fraction) * valid
    yield (low + 1).clamp(max=cells - 1), fraction * valid
