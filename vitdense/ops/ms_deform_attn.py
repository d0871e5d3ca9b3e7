"""Multi-scale deformable attention, called as mmcv calls its operator.

B images, S cells of all L levels, M heads of E channels, Q queries with K
points on each level. mmcv calls it on accelerators, and has its own code for
the CPU. The host never waits for the device.
Source: equation 3 of arXiv:2010.04159.
"""

import torch
from torch import Tensor

from vitdense.ops.precision import as_given, computable
from vitdense.ops.sampling import bilinear, sum_rows


@torch.no_grad()
def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_loc: Tensor,
    attn_weight: Tensor,
    im2col_step: int,
) -> Tensor:
    """What the points of each query see, (B, Q, M * E).

    Args:
        value: (B, S, M, E).
        spatial_shapes: (L, 2), height and width of the levels.
        level_start_index: (L,), their first cells.
        sampling_loc: (B, Q, M, L, K, 2), x and y from 0 to 1.
        attn_weight: (B, Q, M, L, K).
        im2col_step: Images that the compiled operator takes at a time.
    """
    del im2col_step
    levels = spatial_shapes, level_start_index
    with as_given(value):
        seen = [
            _attend(computable(v), computable(at), computable(w), levels)
            for v, at, w in zip(value, sampling_loc, attn_weight, strict=True)
        ]
        return torch.stack(seen).to(value.dtype)


@torch.no_grad()
def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_loc: Tensor,
    attn_weight: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Fills the three gradients from ``grad_output`` (B, Q, M * E).

    The other arguments are those of ``ms_deform_attn_forward``.
    """
    del im2col_step
    levels = spatial_shapes, level_start_index
    given = (value, sampling_loc, attn_weight)
    places = (grad_value, grad_sampling_loc, grad_attn_weight)
    for i, grad in enumerate(grad_output):
        leaves = [computable(t[i]).requires_grad_() for t in given]
        with as_given(value), torch.enable_grad():
            seen = _attend(leaves[0], leaves[1], leaves[2], levels)
        found = torch.autograd.grad(seen, leaves, computable(grad))
        for place, gradient in zip(places, found, strict=True):
            place[i] = gradient


def _attend(
    value: Tensor,
    sampling_loc: Tensor,
    attn_weight: Tensor,
    levels: tuple[Tensor, Tensor],
) -> Tensor:
    """One image's (S, M, E), (Q, M, L, K, 2), (Q, M, L, K) -> (Q, M * E)."""
    shapes, start = levels
    height, width = shapes.mT[:, :, None]
    x = sampling_loc[..., 0] * width - 0.5
    y = sampling_loc[..., 1] * height - 0.5
    cell, share = bilinear(y, x, height, width)
    heads = value.size(1)
    head = torch.arange(heads, device=value.device)[:, None, None, None]
    row = (cell + start[:, None, None]) * heads + head
    weight = share * attn_weight[..., None]
    seen = sum_rows(
        value.flatten(0, 1),
        row.flatten(2).flatten(0, 1),
        weight.flatten(2).flatten(0, 1),
    )
    return seen.view(len(attn_weight), -1)
