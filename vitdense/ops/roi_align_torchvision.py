"""torchvision's average RoIAlign, for devices other than the CPU.

It is used where torchvision loads and, on the device at hand, gives what ours
gives for a few boxes of every kind. The first call asks, and waits for the
device's answer; later ones remember it.
"""

import functools
import importlib
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from vitdense.ops.roi_align_average import average_backward, average_forward
from vitdense.ops.roi_geometry import axes

# Inside, across the border, outside, and without area, in cells.
_BOXES = ((1, 2, 6, 7), (-3, 4, 15, 12), (20, 20, 24, 28), (3, 3, 3, 3))


class Options(NamedTuple):
    """Arguments of a RoIAlign besides its maps and RoIs."""

    bins: tuple[int, int]
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


def torchvision_for(maps: Tensor) -> ModuleType | None:
    """``torchvision.ops`` where it can take these maps, else None."""
    if maps.device.type == 'cpu':
        return None
    return _agreeing(maps.device.type)


def forward(
    ops: ModuleType, maps: Tensor, rois: Tensor, options: Options
) -> Tensor:
    """(B, C, H, W), (N, 5) -> (N, C, P, Q)."""
    return ops.roi_align(maps, rois, *options)


def backward(
    ops: ModuleType,
    grad_maps: Tensor,
    grad: Tensor,
    rois: Tensor,
    options: Options,
) -> None:
    """Adds gradients (N, C, P, Q) to those of the (B, C, H, W) maps."""
    with torch.enable_grad():
        maps = torch.zeros_like(grad_maps, requires_grad=True)
        pooled = forward(ops, maps, rois, options)
        grad_maps += torch.autograd.grad(pooled, maps, grad)[0]


@functools.cache
def _agreeing(device: str) -> ModuleType | None:
    try:
        ops = importlib.import_module('torchvision.ops')
        agrees = all(
            _agrees(ops, Options((3, 2), 0.5, ratio, aligned), device)
            for ratio in (0, 2)
            for aligned in (True, False)
        )
    except (ImportError, OSError, RuntimeError):  # absent, or not compiled
        return None
    return ops if agrees else None


def _agrees(ops: ModuleType, options: Options, device: str) -> bool:
    """Whether results and gradients equal ours."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 2, 9, 11, generator=generator).to(device)
    grad = torch.randn(len(_BOXES), 2, 3, 2, generator=generator).to(device)
    boxes = torch.tensor(_BOXES) / options.spatial_scale
    rois = torch.nn.functional.pad(boxes, (1, 0))
    images = rois[:, 0].long()
    bins, scale, ratio, aligned = options
    y, x = axes(rois, (9, 11), bins, scale, aligned)
    expected = average_forward(maps, images, y, x, ratio)
    expected_grad, found_grad = torch.zeros_like(maps), torch.zeros_like(maps)
    average_backward(expected_grad, grad, images, y, x, ratio)
    rois = rois.to(device)
    found = forward(ops, maps, rois, options)
    backward(ops, found_grad, grad, rois, options)
    return torch.allclose(
        found, expected, rtol=1e-5, atol=1e-5
    ) and torch.allclose(found_grad, expected_grad, rtol=1e-5, atol=1e-5)
