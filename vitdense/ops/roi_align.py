"""RoIAlign, called as mmcv calls its compiled operator.

B maps of C channels and H x W cells; N RoIs of P x Q bins.

Off the CPU torchvision's operator serves where it gives the same averages; on
CUDA the host then does not wait for the device (elsewhere once, to check the
RoIs, for lack of assertions that the device makes). Otherwise the host waits
once in each call, for the RoIs, because what follows from them are sizes: how
many samples a bin has and which cells a product reads. All that is made of
the RoIs is then made on the host, and sent without waiting.
"""

from types import ModuleType

import torch
from torch import Tensor

from vitdense.ops.precision import as_given, computable
from vitdense.ops.roi_align_average import average_backward, average_forward
from vitdense.ops.roi_align_max import max_backward, max_forward
from vitdense.ops.roi_align_torchvision import (
    Options,
    backward,
    forward,
    torchvision_for,
)
from vitdense.ops.roi_geometry import axes, check_rois

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
        ValueError: A RoI names no image, or is not a finite box. Where
            torchvision's operator runs on CUDA, it is the device that finds
            it, and ends the process.
    """
    with as_given(features):
        maps = computable(features)
        rois = rois.to(maps.dtype)
        bins = (aligned_height, aligned_width)
        options = Options(bins, spatial_scale, sampling_ratio, aligned)
        torchvision = _torchvision_for(maps, pool_mode)
        if torchvision is not None:
            check_rois(rois, len(maps), spatial_scale, aligned)
            output.copy_(forward(torchvision, maps, rois, options))
            return
        rois = rois.cpu()
        check_rois(rois, len(maps), spatial_scale, aligned)
        images = rois[:, 0].long()
        y, x = axes(rois, maps.shape[2:], bins, spatial_scale, aligned)
        if pool_mode == _MAX:
            pooled, best_y, best_x = max_forward(
                maps, images, y, x, sampling_ratio
            )
            argmax_y.copy_(best_y)
            argmax_x.copy_(best_x)
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

    The other arguments are those of ``roi_align_forward``, which has checked
    the RoIs.
    """
    with as_given(grad_output):
        grad = computable(grad_output)
        rois = rois.to(grad.dtype)
        bins = (aligned_height, aligned_width)
        options = Options(bins, spatial_scale, sampling_ratio, aligned)
        torchvision = _torchvision_for(grad, pool_mode)
        total = computable(grad_input).contiguous()
        if pool_mode == _MAX:
            best_y, best_x = computable(argmax_y), computable(argmax_x)
            max_backward(total, grad, rois[:, 0].long(), best_y, best_x)
        elif torchvision is not None:
            backward(torchvision, total, grad, rois, options)
        else:
            rois = rois.cpu()
            images = rois[:, 0].long()
            y, x = axes(rois, total.shape[2:], bins, spatial_scale, aligned)
            average_backward(total, grad, images, y, x, sampling_ratio)
        if total.dtype != grad_input.dtype or not grad_input.is_contiguous():
            grad_input.copy_(total)


def _torchvision_for(maps: Tensor, pool_mode: int) -> ModuleType | None:
    """torchvision's operators where they can take these maps, else None."""
    return None if pool_mode == _MAX else torchvision_for(maps)
