"""Deformable convolutions, called as mmcv calls its compiled operators.

Letters are those of ``deform_conv``. ``columns`` and ``ones`` are working
memory of the compiled operators, of no use here. The sizes are what
``_geometry`` and ``_modulated_geometry`` take.
"""

# ruff: noqa: N803 - mmcv passes sizes by these names

import torch
from torch import Tensor

from vitdense.ops.deform_conv import (
    Geometry,
    Operands,
    convolve,
    gradients,
)
from vitdense.ops.precision import as_given, computable


@torch.no_grad()
def deform_conv_forward(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **sizes: int,
) -> None:
    """Fills ``output`` (B, O, P, Q).

    Args:
        x: (B, C, H, W).
        weight: (O, C / G, kernel height, kernel width).
        offset: (B, D * T * 2, P, Q): y and x of each tap, in cells.
        output: Written to.
        columns: Not used.
        ones: Not used.
        sizes: See ``_geometry``.

    Raises:
        ValueError: Shapes do not fit.
    """
    del columns, ones
    given = _operands(x, offset, None, weight)
    with as_given(x):
        output.copy_(convolve(given, _geometry(**sizes)))


@torch.no_grad()
def deform_conv_backward_input(
    x: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **sizes: int,
) -> None:
    """Fills ``grad_input`` and ``grad_offset`` from ``grad_output``.

    The other arguments are those of ``deform_conv_forward``.
    """
    del columns
    given = _operands(x, offset, None, weight)
    with as_given(x):
        found = gradients(
            given,
            computable(grad_output),
            _geometry(**sizes),
            of_images=True,
            of_weight=False,
        )
    grad_input.copy_(found.x)
    grad_offset.copy_(found.offset)


@torch.no_grad()
def deform_conv_backward_parameters(
    x: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **sizes: int,
) -> None:
    """Adds to ``grad_weight``, ``scale`` times, from ``grad_output``.

    The other arguments are those of ``deform_conv_forward``.
    """
    del columns, ones
    given = _operands(x, offset, None, grad_weight)
    with as_given(x):
        found = gradients(
            given,
            computable(grad_output),
            _geometry(**sizes),
            of_images=False,
            of_weight=True,
        )
    grad_weight.add_(found.weight, alpha=scale)


@torch.no_grad()
def modulated_deform_conv_forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Fills ``output`` (B, O, P, Q).

    Args:
        x: (B, C, H, W).
        weight: (O, C / G, kernel height, kernel width).
        bias: (O,), read with ``with_bias``.
        ones: Not used.
        offset: (B, D * T * 2, P, Q): y and x of each tap, in cells.
        mask: (B, D * T, P, Q): a factor of each tap.
        output: Written to.
        columns: Not used.
        with_bias: Whether there is one.
        sizes: See ``_modulated_geometry``.

    Raises:
        ValueError: Shapes do not fit.
    """
    del ones, columns
    given = _operands(x, offset, mask, weight)
    with as_given(x):
        found = convolve(given, _modulated_geometry(**sizes))
        if with_bias:
            found += computable(bias)[:, None, None]
        output.copy_(found)


@torch.no_grad()
def modulated_deform_conv_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Fills the five gradients from ``grad_output``.

    The other arguments are those of ``modulated_deform_conv_forward``.
    """
    del bias, ones, columns
    given = _operands(x, offset, mask, weight)
    grad = computable(grad_output)
    with as_given(x):
        found = gradients(
            given,
            grad,
            _modulated_geometry(**sizes),
            of_images=True,
            of_weight=True,
        )
    places = (grad_input, grad_offset, grad_mask, grad_weight)
    for place, gradient in zip(places, found, strict=True):
        if gradient is not None:
            place.copy_(gradient)
    if with_bias:
        grad_bias.copy_(grad.sum((0, 2, 3)))


def _operands(
    x: Tensor, offset: Tensor, mask: Tensor | None, weight: Tensor
) -> Operands:
    return Operands(
        computable(x),
        computable(offset),
        None if mask is None else computable(mask),
        computable(weight),
    )


def _geometry(
    *,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> Geometry:
    """Sizes as ``deform_conv_*`` get them, ``d`` being the stride.

    ``im2col_step`` is how many images the compiled operators take at a time.
    """
    del im2col_step
    return Geometry(
        (kH, kW),
        (dH, dW),
        (padH, padW),
        (dilationH, dilationW),
        group,
        deformable_group,
    )


def _modulated_geometry(
    *,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
) -> Geometry:
    """Sizes as ``modulated_deform_conv_*`` get them."""
    return Geometry(
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
