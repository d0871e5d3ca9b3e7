"""The convolution of tokens on their grid.

For ``torch.compile`` it is an operator of its own, opaque to the compiler.
What tracing sees of a plain convolution are views of tokens as maps, and the
sizes that come out of it; at symbolic sizes Inductor (torch 2.13) cannot
order the strides of such views nor simplify products of such sizes, and
fails. The operator takes and gives tokens.

B images, H x W grid, N = H * W tokens, C channels; primes mark the result's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.layers.tokens import to_map, to_tokens

# torch before 2.7 does not tell: strict export gets the operator there
_is_exporting = getattr(torch.compiler, 'is_exporting', lambda: False)


def cells(size: int, kernel: int, stride: int, padding: int) -> int:
    """Cells that a convolution makes of an axis of ``size`` cells."""
    # one floor division: products of sums of one and 1 are what Inductor
    # does not simplify
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
    tokens, weight = _autocast(tokens), _autocast(weight)
    result = _operator(tokens, *hw, weight, stride, padding, groups)
    return result if bias is None else result + bias.to(result.dtype)


def _autocast(tensor: Tensor) -> Tensor:
    """What autocast makes of a convolution's input, did it know ours."""
    device = tensor.device.type
    if (
        tensor.dtype == torch.float64
        or not torch.amp.is_autocast_available(device)
        or not torch.is_autocast_enabled(device)
    ):
        return tensor
    return tensor.to(torch.get_autocast_dtype(device))


def _convolve(
    tokens: Tensor,
    hw: tuple[int, int],
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    feature_map = to_map(tokens, hw)
    weight = plainly_laid_out(weight)
    return to_tokens(
        F.conv2d(feature_map, weight, bias, stride, padding, 1, groups)
    )


def plainly_laid_out(weight: Tensor) -> Tensor:
    """The same view, whose gradient has the strides of a plain tensor.

    Along axes of size 1 a convolution of channels-last maps gives its
    weight's gradient strides of its own; DDP and optimizers take that for
    another layout.
    """
    return weight.reshape(len(weight), -1).view(weight.shape)


@torch.library.custom_op('vitdense::convolve', mutates_args=())
def _operator(
    tokens: Tensor,
    rows: int,
    cols: int,
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    hw = rows, cols
    return _convolve(tokens, hw, weight, None, stride, padding, groups)


@_operator.register_fake
def _(
    tokens: Tensor,
    rows: int,
    cols: int,
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
) -> Tensor:
    kernel = weight.shape[2]
    count = cells(rows, kernel, stride, padding)
    count *= cells(cols, kernel, stride, padding)
    return tokens.new_empty(len(tokens), count, len(weight))


@torch.library.custom_op('vitdense::convolve_backward', mutates_args=())
def _backward(
    grad: Tensor,
    tokens: Tensor,
    rows: int,
    cols: int,
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
    of_tokens: bool,
) -> Tensor:
    """The gradient of the tokens or that of the weight."""
    kernel = weight.shape[2]
    grid = (
        cells(rows, kernel, stride, padding),
        cells(cols, kernel, stride, padding),
    )
    grads = torch.ops.aten.convolution_backward(
        to_map(grad, grid),
        to_map(tokens, (rows, cols)),
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
    return to_tokens(grads[0]) if of_tokens else plainly_laid_out(grads[1])


@_backward.register_fake
def _(
    grad: Tensor,
    tokens: Tensor,
    rows: int,
    cols: int,
    weight: Tensor,
    stride: int,
    padding: int,
    groups: int,
    of_tokens: bool,
) -> Tensor:
    like = tokens if of_tokens else weight
    return torch.empty_like(like, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    tokens, rows, cols, weight, *ctx.settings = inputs
    ctx.hw = rows, cols
    ctx.save_for_backward(tokens, weight)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    tokens, weight = ctx.saved_tensors
    given = grad.contiguous(), tokens, *ctx.hw, weight, *ctx.settings
    needs = ctx.needs_input_grad
    of_tokens = _backward(*given, of_tokens=True) if needs[0] else None
    of_weight = _backward(*given, of_tokens=False) if needs[3] else None
    return of_tokens, None, None, of_weight, None, None, None


_operator.register_autograd(_differentiate, setup_context=_keep)
