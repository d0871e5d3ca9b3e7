"""Max pooling of RoIs, called as mmcv calls its compiled operator.

B maps of C channels and H x W cells; N RoIs of P x Q bins. The host waits for
the device once in the forward pass, for the RoIs, of which it makes sizes.
torchvision's operator is not used: it rounds corners to whole cells.
Source: section 2.1 of arXiv:1504.08083.
"""

import torch
from torch import Tensor

from vitdense.ops.precision import computable
from vitdense.ops.roi_geometry import check_rois

_NOWHERE = -1  # mmcv's place of the maximum of no cell


@torch.no_grad()
def roi_pool_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fills ``output`` (N, C, P, Q) and ``argmax``, the place on the map.

    Of equal cells the first counts; a bin without any is 0, its place -1.

    Args:
        features: (B, C, H, W).
        rois: (N, 5): image index, x1, y1, x2, y2 in pixels, the last included.
        output: Written to.
        argmax: As ``output``, written to: ``row * W + column``.
        pooled_height: P.
        pooled_width: Q.
        spatial_scale: Cells per pixel.

    Raises:
        ValueError: A RoI names no image, or is not finite.
    """
    rois = computable(rois).cpu()
    check_rois(rois, len(features), spatial_scale, aligned=False)
    height, width = features.shape[2:]
    rows = _bins(rois[:, 2], rois[:, 4], spatial_scale, pooled_height, height)
    columns = _bins(rois[:, 1], rois[:, 3], spatial_scale, pooled_width, width)
    for n, image in enumerate(rois[:, 0].long().tolist()):
        y, on_y = _cells(rows[n])
        x, on_x = _cells(columns[n])
        if not y.size(1) or not x.size(1):
            output[n], argmax[n] = 0, _NOWHERE
            continue
        # (P, Q, rows, columns of a bin)
        place = (y[:, None, :, None] * width + x[:, None]).flatten(2)
        used = (on_y[:, None, :, None] & on_x[:, None]).flatten(2)
        place, used = (
            t.to(features.device, non_blocking=True) for t in (place, used)
        )
        cells = features[image].flatten(1)[:, place]
        largest, first = cells.masked_fill(~used, -torch.inf).max(-1)
        found = used.any(-1)
        output[n] = torch.where(found, largest, 0)
        where = place.expand(cells.shape).gather(-1, first[..., None])[..., 0]
        argmax[n] = torch.where(found, where, _NOWHERE)


@torch.no_grad()
def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Adds gradients (N, C, P, Q) to ``grad_input`` where maxima were.

    The other arguments are those of ``roi_pool_forward``.
    """
    del pooled_height, pooled_width, spatial_scale
    channels = torch.arange(grad_input.size(1), device=rois.device)
    plane = rois[:, :1].long() * grad_input.size(1) + channels
    start = plane * grad_input[0, 0].numel()
    place = start[:, :, None, None] + argmax.clamp(min=0)
    grad = torch.where(argmax == _NOWHERE, 0, computable(grad_output))
    total = computable(grad_input).flatten()
    total = total.index_add(0, place.flatten(), grad.flatten())
    grad_input.copy_(total.view(grad_input.shape))


def _bins(
    first: Tensor, last: Tensor, scale: float, bins: int, cells: int
) -> Tensor:
    """(N,), (N,) pixels -> (N, bins, 2): first cell, and that after the last.

    In the arithmetic of mmcv's operator; both are 0 for a RoI without area.
    """
    start = (first * scale)[:, None]
    size = ((last + 1) * scale)[:, None] - start
    step = size / bins
    index = torch.arange(bins)
    low = (index * step + start).floor()
    high = ((index + 1) * step + start).ceil()
    bounds = torch.stack([low, high], -1).clamp(0, cells).long()
    return bounds * (size > 0)[..., None]


def _cells(bins: Tensor) -> tuple[Tensor, Tensor]:
    """(bins, 2) bounds -> cells of each bin, padded to those of the largest.

    Returns:
        Two of (bins, most): the cells, and which of them are the bin's.
    """
    low, high = bins.unbind(1)
    most = int((high - low).max())
    offset = torch.arange(max(most, 0))
    used = offset < (high - low)[:, None]
    return torch.where(used, low[:, None] + offset, 0), used
