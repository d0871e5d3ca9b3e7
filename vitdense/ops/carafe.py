"""CARAFE, called as mmcv calls its compiled operator.

B images of C channels and H x W cells, made U times as high and wide; G groups
of channels share a kernel of K x K cells, and every output cell has its own.
The host never waits for the device.
Source: equations 3 and 4 of arXiv:1905.02188.
"""

import torch
from torch import Tensor

from vitdense.ops.precision import as_given, computable
from vitdense.ops.sampling import sum_rows


@torch.no_grad()
def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fills ``output`` (B, C, U * H, U * W).

    Args:
        features: (B, C, H, W).
        masks: (B, G * K * K, U * H, U * W), the kernels.
        rfeatures: As ``features``, written to: what the backward pass gets.
        routput: Not used.
        rmasks: Not used.
        output: Written to.
        kernel_size: K.
        group_size: G.
        scale_factor: U.
    """
    del routput, rmasks
    rfeatures.copy_(features)
    shape = (kernel_size, group_size, scale_factor)
    with as_given(features):
        for i, image in enumerate(features):
            made = _reassemble(computable(image), computable(masks[i]), *shape)
            output[i].copy_(made)


@torch.no_grad()
def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fills ``grad_input`` and ``grad_masks`` from ``grad_output``.

    The other arguments are those of ``carafe_forward``, or not used.
    """
    del rgrad_output, rgrad_input_hs, rgrad_input, rgrad_masks
    shape = (kernel_size, group_size, scale_factor)
    for i, grad in enumerate(grad_output):
        leaves = [
            computable(t[i]).requires_grad_() for t in (rfeatures, masks)
        ]
        with as_given(masks), torch.enable_grad():
            made = _reassemble(*leaves, *shape)
        found = torch.autograd.grad(made, leaves, computable(grad))
        grad_input[i].copy_(found[0])
        grad_masks[i].copy_(found[1])


def _reassemble(
    features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int
) -> Tensor:
    """(C, H, W), (G * K * K, U * H, U * W) -> (C, U * H, U * W)."""
    channels, height, width = features.shape
    rows, columns = (
        _window(cells, kernel, scale, features.device)
        for cells in (height, width)
    )
    # (U * H, U * W, K, K)
    y, x = rows[:, None, :, None], columns[None, :, None, :]
    on_map = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    cell = torch.where(on_map, y * width + x, 0)
    group = torch.arange(groups, device=features.device)
    row = cell.flatten(2)[:, :, None] * groups + group[:, None]
    weight = masks.unflatten(0, (groups, -1)).permute(2, 3, 0, 1)
    weight = weight * on_map.flatten(2)[:, :, None]
    table = features.flatten(1).mT.reshape(-1, channels // groups)
    made = sum_rows(table, row.flatten(0, 2), weight.flatten(0, 2))
    return made.view(-1, channels).mT.unflatten(1, on_map.shape[:2])


def _window(
    cells: int, kernel: int, scale: int, device: torch.device
) -> Tensor:
    """(U * cells, K): cells that each output cell reads, along one axis."""
    centre = torch.arange(cells * scale, device=device) // scale
    return centre[:, None] + torch.arange(kernel, device=device) - kernel // 2
