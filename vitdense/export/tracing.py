"""What tracing of a model to ONNX needs changed, for its time alone.

The exporter follows tensors, and sizes as tensors. Where code turns a size
into an integer, the file would hold that of the example and be wrong, in
silence, at any other.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@contextmanager
def sizes_followed() -> Iterator[None]:
    """Let sizes be followed through what would make them integers."""
    with ExitStack() as changed:
        enter = changed.enter_context
        enter(mock.patch.object(Tensor, 'unflatten', _unflatten))
        enter(mock.patch.object(nn.AdaptiveAvgPool2d, 'forward', _pool))
        with suppress(ImportError):  # a detector, and mmseg not installed
            from mmseg.models.utils import Upsample

            enter(mock.patch.object(Upsample, 'forward', _upsample))
        yield


def _unflatten(tensor: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    shape = list(tensor.shape)
    dim %= len(shape)
    return tensor.reshape(*shape[:dim], *sizes, *shape[dim + 1 :])


def _upsample(module: Any, maps: Tensor) -> Tensor:
    """mmseg's ``Upsample``: it has ``int(size * factor)``."""
    factor = module.scale_factor
    if module.size or factor != int(factor):
        raise NotImplementedError(
            f'Upsample with size={module.size} and scale_factor={factor} '
            'cannot be exported; only whole factors can'
        )
    size = [side * int(factor) for side in maps.shape[-2:]]
    return F.interpolate(
        maps, size, mode=module.mode, align_corners=module.align_corners
    )


def _pool(module: Any, maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, h, w): ONNX has no such pooling, so two products
    of matrices whose rows average the cells of a bin."""
    given = module.output_size
    bins = given if isinstance(given, tuple) else (given, given)
    rows, cols = (
        _averages(maps.shape[axis], count)
        for axis, count in zip((2, 3), bins, strict=True)
    )
    return rows @ maps @ cols.T


def _averages(size: int, bins: int) -> Tensor:
    """(bins, size): a bin begins and ends where PyTorch's does, floor(i * size
    / bins) and ceil((i + 1) * size / bins)."""
    cells = torch.arange(size)[None]
    places = torch.arange(bins)[:, None] * size
    first = torch.div(places, bins, rounding_mode='floor')
    last = torch.div(places + size + bins - 1, bins, rounding_mode='floor')
    inside = ((cells >= first) & (cells < last)).float()
    return inside / inside.sum(1, keepdim=True)
