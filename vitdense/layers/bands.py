"""Wide projections computed in bands of rows.

A feed-forward network widens each token four to eight times. At detection
sizes those hidden maps are hundreds of megabytes: they leave the cache, the
system maps fresh pages for each of them, and training keeps three. What a
row of the output needs is a row of the input and, with a 3 x 3 convolution,
its two neighbours; so the same modules run on a few rows at a time, and the
backward pass recomputes a band instead of keeping it.

On CPU, in eager mode. Accelerators and compilers get the whole map at once.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vitdense.layers.band import Band, Plan


def runs_in_bands(tokens: Tensor) -> bool:
    """Whether bands pay for these tokens: on CPU, in eager mode."""
    return tokens.device.type == 'cpu' and not torch.compiler.is_compiling()


Hidden = Callable[[Tensor, Band], Tensor]


class Projection(NamedTuple):
    """The linear map from hidden channels to those of the output."""

    weight: Tensor
    bias: Tensor | None


def add_branch(tokens: Tensor, branch: Tensor, scale: Tensor | None) -> Tensor:
    """``tokens + scale * branch``.

    Args:
        tokens: (B, N, C).
        branch: (B, N, C).
        scale: (B, 1, 1), of stochastic depth; None is 1.
    """
    if scale is None:
        return tokens + branch
    return torch.addcmul(tokens, branch, scale)


def project_bands(
    inputs: Tensor,
    shape: tuple[int, ...],
    plan: Plan,
    hidden: Hidden,
    parameters: Sequence[nn.Parameter],
    out: Projection,
    residual: bool,
    scale: Tensor | None,
) -> Tensor:
    """``out(hidden(inputs))``; if residual, scaled and added to the inputs.

    The backward pass computes each band's hidden tokens again; it has no
    derivatives of its own.

    Args:
        inputs: Their second dimension is the one that bands divide.
        shape: Of the result, but for its channels.
        plan: Bands, each with what it needs of ``inputs``.
        hidden: Maps a band's inputs to wide hidden tokens.
        parameters: What ``hidden`` learns.
        out: Projection back from the hidden width.
        residual: Whether the inputs are added.
        scale: (B, 1, 1), of stochastic depth; None is 1, and all there is
            without ``residual``.
    """
    settings = _Settings(shape, plan, hidden, residual, scale)
    return _Banded.apply(inputs, settings, *parameters, *out)


def _project_band(
    result: Tensor,
    wide: Tensor,
    out: Projection,
    residual: Tensor | None,
    scale: Tensor | None,
) -> None:
    """Fills a band: ``residual + scale * out(wide)``.

    Args:
        result: (B, ..., C), filled in place.
        wide: (B, ..., hidden).
        out: From hidden to C channels.
        residual: (B, ..., C) or None.
        scale: (B, 1, 1), if there is a residual; None is 1.
    """
    branch = F.linear(wide, *out)
    if residual is None:
        result.copy_(branch)
    elif scale is None:
        torch.add(residual, branch, out=result)
    else:
        torch.addcmul(residual, branch, scale, out=result)


class _Settings(NamedTuple):
    """What a banded computation is, beside its tensors."""

    shape: tuple[int, ...]
    plan: Plan
    hidden: Hidden
    residual: bool
    scale: Tensor | None


class _Banded(torch.autograd.Function):
    """Forward in bands; backward recomputes each band's hidden tokens."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, settings: _Settings, *learned: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(inputs, *learned)
        ctx.settings = settings
        enabled = torch.is_autocast_enabled('cpu')
        dtype = torch.get_autocast_dtype('cpu')
        # weights that were cast without gradients must not be found again
        ctx.autocast = partial(torch.autocast, 'cpu', dtype, enabled, False)
        if not enabled:
            dtype = inputs.dtype
        elif settings.residual:
            dtype = torch.promote_types(dtype, inputs.dtype)
        scale = settings.scale
        out = Projection(cast(Tensor, learned[-2]), learned[-1])
        shape = *settings.shape, len(out.weight)
        result = inputs.new_empty(shape, dtype=dtype)
        for band in settings.plan:
            wide = settings.hidden(band.with_halo(inputs), band)
            _project_band(
                band.of(result),
                band.crop(wide),
                out,
                band.of(inputs) if settings.residual else None,
                None if scale is None else band.images(scale),
            )
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        settings: _Settings = ctx.settings
        inputs, *learned = ctx.saved_tensors
        parameters, weight, bias = learned[:-2], learned[-2], learned[-1]
        # images need no gradient: what is wanted may not begin with inputs
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[2:-2])
        wanted = [i for i, need in enumerate(needs) if need]
        sources = (inputs, *parameters)
        # by position in sources; the last two, of the output projection
        totals: dict[int, Tensor] = {}
        if needs[0]:
            totals[0] = (
                grad.to(inputs.dtype, copy=True)
                if settings.residual
                else torch.zeros_like(inputs)
            )
        for band in settings.plan:
            part = band.with_halo(inputs).detach()
            with torch.enable_grad(), ctx.autocast():
                part.requires_grad_(needs[0])
                wide = band.crop(settings.hidden(part, band))
            # the last projection by hand: autograd would compute it again
            grad_out = band.of(grad)
            if settings.scale is not None:
                grad_out = grad_out * band.images(settings.scale)
            grad_out = grad_out.to(wide.dtype).flatten(0, -2)
            seen = wide.detach().flatten(0, -2)
            if ctx.needs_input_grad[-2]:
                grad_weight = (grad_out.t() @ seen).to(weight.dtype)
                _accumulate(totals, len(sources), grad_weight)
            if ctx.needs_input_grad[-1]:
                grad_bias = grad_out.sum(0, dtype=bias.dtype)
                _accumulate(totals, len(sources) + 1, grad_bias)
            if not wanted:
                continue
            band_grads = torch.autograd.grad(
                wide,
                [part if i == 0 else sources[i] for i in wanted],
                (grad_out @ weight.to(wide.dtype)).view_as(wide),
            )
            for i, value in zip(wanted, band_grads, strict=True):
                if i == 0:
                    band.with_halo(totals[0]).add_(value)
                else:
                    _accumulate(totals, i, value)
        grads = [totals.get(i) for i in range(len(sources) + 2)]
        return grads[0], None, *grads[1:]


def _accumulate(totals: dict[int, Tensor], key: int, value: Tensor) -> None:
    """Adds in place; often there is one band, whose value is the total."""
    if key in totals:
        totals[key] += value
    else:
        totals[key] = value
