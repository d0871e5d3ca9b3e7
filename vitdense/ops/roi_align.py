"""RoIAlign, called as mmcv calls its compiled operator.

B maps of C channels and H x W cells; N RoIs of P x Q bins.
"""

import torch
from torch import Tensor

from vitdense.ops.roi_align_average import average_backward, average_forward
from vitdense.ops.roi_align_max import max_backward, max_forward
from vitdense.ops.roi_align_torchvision import (
    Options,
    backward,
    forward,
    torchvision_for,
)
from vitdense.ops.roi_geometry import Axis, axes

_MAX = 0  # mmcv's ``pool_mode``; 1 is the average


@torch.no_grad()
def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills ``output`` (N, C, P, Q), and for the maximum the two places.

    Args:
        features: (B, C, H, W).
        rois: (N, 5): image index, x1, y1, x2, y2 in pixels.
        output: (N, C, P, Q), written to.
        argmax_y: As ``output`` with the maximum, else not used.
        argmax_x: As ``argmax_y``.
        aligned_height: P.
        aligned_width: Q.
        spatial_scale: Cells per pixel.
        sampling_ratio: Samples to a bin and axis; 0: one to each cell begun.
        pool_mode: 0 for the largest sample, 1 for the average.
        aligned: Whether pixel centres lie at half a cell.

    Raises:
        ValueError: A RoI names no image, or is not a finite box.
    """
    with torch.autocast(features.device.type, enabled=False):
        maps = _computable(features)
        rois = rois.to(maps.dtype)
        bins = (aligned_height, aligned_width)
        options = Options(bins, spatial_scale, sampling_ratio, aligned)
        images, y, x = _prepare(rois, features.shape, options)
        torchvision = torchvision_for(maps)
        if pool_mode == _MAX:
            pooled, best_y, best_x = max_forward(
                maps, images, y, x, sampling_ratio
            )
            argmax_y.copy_(best_y)
            argmax_x.copy_(best_x)
        elif torchvision is not None:
            pooled = forward(torchvision, maps, rois, options)
        else:
            pooled = average_forward(maps, images, y, x, sampling_ratio)
        output.copy_(pooled)


@torch.no_grad()
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Adds gradients (N, C, P, Q) of the output to ``grad_input``.

    The other arguments and errors are those of ``roi_align_forward``.
    """
    with torch.autocast(grad_output.device.type, enabled=False):
        grad = _computable(grad_output)
        rois = rois.to(grad.dtype)
        bins = (aligned_height, aligned_width)
        options = Options(bins, spatial_scale, sampling_ratio, aligned)
        images, y, x = _prepare(rois, grad_input.shape, options)
        torchvision = torchvision_for(grad)
        total = _computable(grad_input).contiguous()
        if pool_mode == _MAX:
            best_y, best_x = _computable(argmax_y), _computable(argmax_x)
            max_backward(total, grad, images, best_y, best_x)
        elif torchvision is not None:
            backward(torchvision, total, grad, rois, options)
        else:
            average_backward(total, grad, images, y, x, sampling_ratio)
        if total.data_ptr() != grad_input.data_ptr():
            grad_input.copy_(total)


def _computable(tensor: Tensor) -> Tensor:
    """The tensor, or for half precision a copy in single precision."""
    single = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.detach().float() if single else tensor.detach()


def _prepare(
    rois: Tensor,
    map_shape: torch.Size,
    options: Options,
) -> tuple[Tensor, Axis, Axis]:
    """(N,) image indices of (N, 5) RoIs, and their extents along y and x."""
    images = rois[:, 0].long()
    wrong = (images < 0) | (images >= map_shape[0])
    if wrong.any():
        raise ValueError(
            f'RoIs name image {int(images[wrong][0])}; the feature map has '
            f'{map_shape[0]} images, counted from 0'
        )
    height, width = map_shape[2:]
    y, x = axes(
        rois,
        (height, width),
        options.bins,
        options.spatial_scale,
        options.aligned,
    )
    return images, y, x
