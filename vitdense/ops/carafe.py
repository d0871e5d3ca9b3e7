"""CARAFE, called as mmcv calls its compiled operator.

B images of C channels and H x W cells, made U times as high and wide; G groups
of channels share a kernel of K x K cells, and every output cell has its own.
The host never waits for the device.
Source: equations 3 and 4 of arXiv:1905.02188.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from vitdense.ops.precision import as_given, computable
from vitdense.ops.sampling import sum_rows

# At a time, or those of one image; 24 bytes each with their gradients.
_WEIGHTS = 2**21


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
        for some in _chunks(masks):
            given = computable(features[some]), computable(masks[some])
            output[some] = _reassemble(*given, *shape).to(output.dtype)


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
    for some in _chunks(masks):
        leaves = [
            computable(tensor[some]).requires_grad_()
            for tensor in (rfeatures, masks)
        ]
        with as_given(masks), torch.enable_grad():
            made = _reassemble(leaves[0], leaves[1], *shape)
        grad = computable(grad_output[some])
        found = torch.autograd.grad(made, leaves, grad)
        grad_input[some] = found[0].to(grad_input.dtype)
        grad_masks[some] = found[1].to(grad_masks.dtype)


def _chunks(masks: Tensor) -> Iterator[slice]:
    """Images that are computed together: a large one, or many crops."""
    step = max(1, _WEIGHTS // max(masks[:1].numel(), 1))
    for start in range(0, len(masks), step):
        yield slice(start, start + step)


def _reassemble(
    features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int
) -> Tensor:
    """(B, C, H, W), (B, G * K * K, U * H, U * W) -> (B, C, U * H, U * W)."""
    count, channels, height, width = features.shape
    device = features.device
    rows, columns = (
        _window(cells, kernel, scale, device) for cells in (height, width)
    )
    # (U * H, U * W, K, K)
    y, x = rows[:, None, :, None], columns[:, None]
    on_map = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    cell = torch.where(on_map, y * width + x, 0).flatten(2)[:, :, None]
    image = torch.arange(count, device=device)[:, None, None, None, None]
    group = torch.arange(groups, device=device)[:, None]
    # (B, U * H, U * W, G, K * K)
    row = (image * height * width + cell) * groups + group
    weight = masks.unflatten(1, (groups, -1)).permute(0, 3, 4, 1, 2)
    weight = weight * on_map.flatten(2)[:, :, None]
    table = features.permute(0, 2, 3, 1).reshape(-1, channels // groups)
    made = sum_rows(table, row.flatten(0, 3), weight.flatten(0, 3))
    made = made.view(count, *on_map.shape[:2], channels)
    return made.permute(0, 3, 1, 2)


def _window(
    cells: int, kernel: int, scale: int, device: torch.device
) -> Tensor:
    """(U * cells, K): cells that each output cell reads, along one axis."""
    centre = torch.arange(cells * scale, device=device) // scale
    return centre[:, None] + torch.arange(kernel, device=device) - kernel // 2
