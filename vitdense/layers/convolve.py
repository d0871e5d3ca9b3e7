"""The convolution of tokens on their grid.

For ``torch.compile`` it is an operator of its own, opaque to the compiler.
What tracing sees of a plain convolution are views of tokens as maps, and the
sizes that come out of it; at symbolic sizes Inductor (torch 2.13) cannot
order the strides of such views nor simplify products of such sizes, and
fails. The operator takes and gives tokens.

B images, H x W grid, N = H * W tokens, C channels; primes mark the result's.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.layers.tokens import to_map, to_tokens

# torch before 2.7 does not tell
_is_exporting = getattr(torch.compiler, 'is_exporting', lambda: False)


def cells(size: int, kernel: int, stride: int, padding: int) -> int:
    """Cells that a convolution makes of an axis of ``size`` cells."""
    # one floor division, not one and a sum, for the sake of that algebra
    return (size + 2 * padding - kernel + stride) // stride


def convolve(
    tokens: Tensor,
    hw: tuple[int, int],
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    """(B, N, C) on an H x W grid -> (B, N', C').

    Args:
        tokens: Tokens.
        hw: Rows and columns.
        weight: (C', C / groups, kernel, kernel).
        bias: (C') or None.
        stride: Tokens from one result to the next, along an axis.
        padding: Rows and columns of zeros on each side.
        groups: Divides the channels.
    """
    if not torch.compiler.is_dynamo_compiling() or _is_exporting():
        return _convolve(tokens, hw, weight, bias, stride, padding, groups)
    device = tokens.device.type
    if torch.is_autocast_enabled(device):  # it does not know the operator
        dtype = torch.get_autocast_dtype(device)
        tokens, weight = tokens.to(dtype), weight.to(dtype)
    result = _operator(tokens, hw, weight, stride, padding, groups)
    return result if bias is None else result + bias.to(result.dtype)


def _convolve(
    tokens: Tensor,
    hw: Sequence[int],
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    feature_map = to_map(tokens, hw)
    return to_tokens(
        F.conv2d(feature_map, weight, bias, stride, padding, 1, groups)
    )


@torch.library.custom_op('vitdense::convolve', mutates_args=())
def _operator(
    tokens: Tensor,
    hw: Sequence[int],
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    return _convolve(tokens, hw, weight, None, stride, padding, groups)


@_operator.register_fake
def _(
    tokens: Tensor,
    hw: Sequence[int],
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    rows, cols = _grid(hw, weight, stride, padding)
    return tokens.new_empty(len(tokens), rows * cols, len(weight))


def _grid(
    hw: Sequence[int], weight: Tensor, stride: int, padding: int
) -> tuple[int, int]:
    rows, cols = (cells(n, weight.shape[2], stride, padding) for n in hw)
    return rows, cols


@torch.library.custom_op('vitdense::convolve_backward', mutates_args=())
def _backward(
    grad: Tensor,
    tokens: Tensor,
    hw: Sequence[int],
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
    of_tokens: bool,
) -> Tensor:
    """The gradient of the tokens or that of the weight."""
    grads = torch.ops.aten.convolution_backward(
        to_map(grad, _grid(hw, weight, stride, padding)),
        to_map(tokens, hw),
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        groups,
        [of_tokens, not of_tokens, False],
    )
    return to_tokens(grads[0]) if of_tokens else grads[1].contiguous()


@_backward.register_fake
def _(
    grad: Tensor,
    tokens: Tensor,
    hw: Sequence[int],
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
    of_tokens: bool,
) -> Tensor:
    like = tokens if of_tokens else weight
    return torch.empty_like(like, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    tokens, ctx.hw, weight, *ctx.settings = inputs
    ctx.save_for_backward(tokens, weight)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    tokens, weight = ctx.saved_tensors
    given = grad.contiguous(), tokens, ctx.hw, weight, *ctx.settings
    grads = [
        _backward(*given, of_tokens) if ctx.needs_input_grad[index] else None
        for index, of_tokens in ((0, True), (2, False))
    ]
    return grads[0], None, grads[1], None, None, None


_operator.register_autograd(_differentiate, setup_context=_keep)
