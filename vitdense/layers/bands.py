"""Wide hidden layers computed in bands of rows.

A feed-forward network widens each token four to eight times. At detection
sizes those hidden maps are hundreds of megabytes: they leave the cache, the
system maps fresh pages for each of them, and training keeps three. What a
row of the output needs is a row of the input and, with a 3 x 3 convolution,
its two neighbours; so the same modules run on a few rows at a time, and the
backward pass recomputes a band instead of keeping it.

On CPU, in eager mode. Accelerators and compilers get the whole map at once.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Hidden = Callable[[Tensor, tuple[int, int]], Tensor]

# Hidden values of one band: few enough to stay in the cache, many enough for
# matrix products to reach their full rate.
BAND_VALUES = 1 << 21


class Band(NamedTuple):
    """Rows ``top:bottom`` of images ``first:last``, and a halo around them."""

    first: int
    last: int
    top: int
    bottom: int
    halo_top: int
    halo_bottom: int
    width: int

    @property
    def hw(self) -> tuple[int, int]:
        """Rows and columns, halo included."""
        return self.halo_bottom - self.halo_top, self.width

    def with_halo(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> the band's tokens, halo included; a view."""
        rows = slice(self.halo_top * self.width, self.halo_bottom * self.width)
        return tokens[self.first : self.last, rows]

    def of(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> the band's tokens without halo; a view."""
        rows = slice(self.top * self.width, self.bottom * self.width)
        return tokens[self.first : self.last, rows]

    def crop(self, tokens: Tensor) -> Tensor:
        """The band's tokens with halo -> without; a view."""
        start = (self.top - self.halo_top) * self.width
        return tokens[:, start : start + (self.bottom - self.top) * self.width]


def divide(
    batch: int, hw: tuple[int, int], channels: int, halo: int
) -> Iterator[Band]:
    """Divides B maps of H x W into bands of about ``BAND_VALUES`` values.

    Args:
        batch: Images.
        hw: Rows and columns of a map.
        channels: Values held at once for each token.
        halo: Rows needed above and below a band.
    """
    height, width = hw
    rows = max(1, BAND_VALUES // (width * channels))
    images = max(1, rows // height)
    rows = min(rows, height)
    for first in range(0, batch, images):
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            yield Band(
                first,
                min(first + images, batch),
                top,
                bottom,
                max(top - halo, 0),
                min(bottom + halo, height),
                width,
            )


def project_hidden(
    tokens: Tensor,
    hw: tuple[int, int],
    hidden: Hidden,
    parameters: Sequence[nn.Parameter],
    out: nn.Linear,
    halo: int,
) -> Tensor:
    """(B, N, C) -> (B, N, out), ``out(hidden(tokens, hw))`` in bands.

    Args:
        tokens: Tokens of an H x W grid.
        hw: Rows and columns.
        hidden: Maps tokens of some rows to wide hidden tokens. A row depends
            on ``halo`` rows around it, and on zeros beyond the rows given.
        parameters: What ``hidden`` learns.
        out: Projection back from the hidden width, with bias.
        halo: Rows that ``hidden`` looks up and down.
    """
    if tokens.device.type != 'cpu' or torch.compiler.is_compiling():
        return out(hidden(tokens, hw))
    if halo == 0:
        # independent tokens, a class token perhaps among them: one column
        hw = tokens.shape[1], 1
    plan = divide(len(tokens), hw, out.in_features, halo)
    return project_bands(
        tokens, tokens.shape[:2], plan, hidden, parameters, out
    )


def project_bands(
    inputs: Tensor,
    shape: tuple[int, ...],
    plan: Iterable[Band],
    hidden: Hidden,
    parameters: Sequence[nn.Parameter],
    out: nn.Linear,
) -> Tensor:
    """``out(hidden(inputs))`` in the bands of a plan.

    Args:
        inputs: Their second dimension is the one that bands divide.
        shape: Of the result, but for its channels.
        plan: Bands, each with what it needs of ``inputs``.
        hidden: Maps a band's inputs to wide hidden tokens.
        parameters: What ``hidden`` learns.
        out: Projection back from the hidden width.
    """
    return _Banded.apply(
        *(inputs, shape, tuple(plan), hidden, out),
        *(*parameters, out.weight, out.bias),
    )


class _Banded(torch.autograd.Function):
    """Forward in bands; backward recomputes each band's hidden tokens."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        shape: tuple[int, ...],
        plan: tuple[Band, ...],
        hidden: Hidden,
        out: nn.Linear,
        *learned: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(inputs, *learned)
        ctx.hidden = hidden
        ctx.plan = plan
        enabled = torch.is_autocast_enabled('cpu')
        dtype = torch.get_autocast_dtype('cpu')
        ctx.autocast = partial(torch.autocast, 'cpu', dtype, enabled)
        result = inputs.new_empty(
            *shape,
            out.out_features,
            dtype=dtype if enabled else inputs.dtype,
        )
        for band in plan:
            wide = hidden(band.with_halo(inputs), band.hw)
            band.of(result).copy_(out(band.crop(wide)))
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, *learned = ctx.saved_tensors
        parameters, weight, bias = learned[:-2], learned[-2], learned[-1]
        # images need no gradient: what is wanted may not begin with inputs
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[5:-2])
        wanted = [i for i, need in enumerate(needs) if need]
        sources = (inputs, *parameters)
        # by position in sources; the last, of the output projection
        totals: dict[int, Tensor] = {}
        if needs[0]:
            totals[0] = torch.zeros_like(inputs)
        for band in ctx.plan:
            part = band.with_halo(inputs).detach()
            with torch.enable_grad(), ctx.autocast():
                part.requires_grad_(needs[0])
                wide = band.crop(ctx.hidden(part, band.hw))
            grad_out = band.of(grad)
            # the last projection by hand: autograd would compute it again
            seen = wide.detach().to(grad_out.dtype)
            grad_weight = grad_out.flatten(0, -2).t() @ seen.flatten(0, -2)
            _accumulate(totals, len(sources), grad_weight.to(weight.dtype))
            if not wanted:
                continue
            band_grads = torch.autograd.grad(
                wide,
                [part if i == 0 else sources[i] for i in wanted],
                (grad_out @ weight.to(grad_out.dtype)).to(wide.dtype),
            )
            for i, value in zip(wanted, band_grads, strict=True):
                if i == 0:
                    band.with_halo(totals[0]).add_(value)
                else:
                    _accumulate(totals, i, value)
        grad_bias = None if bias is None else grad.flatten(0, -2).sum(0)
        grads = [totals.get(i) for i in range(len(sources))]
        return (
            *(grads[0], None, None, None, None),
            *(*grads[1:], totals[len(sources)], grad_bias),
        )


def _accumulate(totals: dict[int, Tensor], key: int, value: Tensor) -> None:
    """Adds in place; often there is one band, whose value is the total."""
    if key in totals:
        totals[key] += value
    else:
        totals[key] = value
