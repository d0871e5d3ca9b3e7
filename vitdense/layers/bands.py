"""Wide projections computed in bands of rows, on CPU in eager mode.

A feed-forward network widens each token four to eight times. At detection
sizes those hidden maps are hundreds of megabytes: they leave the cache, the
system maps fresh pages for each of them, and training keeps three. What a
row of the output needs is a row of the input and, with a 3 x 3 convolution,
its two neighbours; so the same modules run on a few rows at a time, and the
backward pass recomputes a band instead of keeping it.

Nobody but the block that calls it notices: results and gradients are those of
the modules on the whole map, and whatever was attached to them still acts.
Modules with hooks get the whole map, as hooks expect.

B images, H x W grid, N = H * W tokens, C channels, D hidden channels.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.jit._trace import is_tracing
from torch.nn.utils.parametrize import is_parametrized

from vitdense.layers.drop_path import DropPath
from vitdense.layers.hooks import hooked, untouched
from vitdense.layers.layer_scale import LayerScale

if TYPE_CHECKING:
    from vitdense.layers.mlp import Mlp

# Values of one band: few enough to stay in the cache, many enough for matrix
# products to reach their full rate.
BAND_VALUES = 1 << 21
# Hidden values of a map up to which training keeps them for the backward
# pass: computing them again would cost more than the memory is worth.
KEPT_VALUES = 1 << 21


class Band(NamedTuple):
    """Rows of a result, for some images, and the rows they are made of.

    Attributes:
        images: Of the batch.
        rows: Of the result.
        needed: Rows of the input that those depend on.
    """

    images: slice
    rows: slice
    needed: slice

    def inputs(self, maps: Tensor) -> Tensor:
        """(B, H, W, C) -> the band's part of the input; a view."""
        return maps[self.images, self.needed]

    def outputs(self, maps: Tensor) -> Tensor:
        """(B, H', W', C') -> the band's part of the result; a view."""
        return maps[self.images, self.rows]

    def crop(self, hidden: Tensor) -> Tensor:
        """(b, rows made, W', D) -> (b, rows, W', D), a view.

        What is made of all needed rows may have rows beyond the band's.
        """
        count = self.rows.stop - self.rows.start
        if hidden.shape[1] == count:
            return hidden
        start = self.rows.start - self.needed.start
        return hidden[:, start : start + count]


def divide(
    batch: int,
    rows: int,
    row_values: int,
    needed: Callable[[int, int], slice],
) -> tuple[Band, ...]:
    """Divides B maps into even bands of about ``BAND_VALUES`` values.

    Args:
        batch: Images.
        rows: Of the result.
        row_values: Values held at once for a row of the result.
        needed: Rows of the input that rows ``top`` to ``bottom`` depend on.
    """
    values = rows * row_values
    images = max(1, round(BAND_VALUES / values))
    height = -(-rows // max(1, round(values / BAND_VALUES)))
    return tuple(
        Band(
            slice(first, min(first + images, batch)),
            slice(top, bottom),
            needed(top, bottom),
        )
        for first in range(0, batch, images)
        for top in range(0, rows, height)
        for bottom in (min(top + height, rows),)
    )


class Projection(NamedTuple):
    """A projection back from hidden channels, ``hidden(x) @ weight.T + bias``.

    Attributes:
        hidden: Maps (tokens, grid) to hidden tokens, or to the projection's
            own result where ``weight`` is None.
        weight: (C, D), of a plain Linear. It is given apart because its
            gradient needs no second run of the projection.
        bias: (C) or None.
    """

    hidden: Callable[[Tensor, tuple[int, int]], Tensor]
    weight: Tensor | None
    bias: Tensor | None


def applicable(tensor: Tensor, *modules: nn.Module) -> bool:
    """Whether bands can run: on CPU, eagerly, and unwatched.

    What modules learn must be registered in them: gradients are asked for by
    that. Linears without a weight of their own, as older sharding leaves
    them, get the whole map.
    """
    return (
        tensor.device.type == 'cpu'
        and not torch.compiler.is_compiling()
        and not is_tracing()  # sizes are no integers then
        and not hooked(*modules)
        and all(map(_holds_its_weight, modules))
    )


def _holds_its_weight(module: nn.Module) -> bool:
    return all(
        'weight' in part._parameters or is_parametrized(part)
        for part in module.modules()
        if isinstance(part, nn.Linear)
    )


def pay(tensor: Tensor, hidden_values: int, *modules: nn.Module) -> bool:
    """Whether a wide projection is computed in bands.

    Not where hidden maps are small and kept for the backward pass: the one
    rule for all that has them.
    """
    return applicable(tensor, *modules) and (
        not torch.is_grad_enabled() or hidden_values > KEPT_VALUES
    )


def pay_for_mlp(
    tokens: Tensor,
    norm: nn.Module,
    mlp: nn.Module,
    layer_scale: nn.Module | None = None,
    drop_path: nn.Module | None = None,
) -> bool:
    """Whether a block computes ``mlp`` by ``add_mlp``, which see."""
    # somebody may have put other modules in their places
    if not hasattr(mlp, 'projection') or not isinstance(
        drop_path, DropPath | None
    ):
        return False
    network = cast('Mlp', mlp)
    values = tokens.shape[0] * tokens.shape[1] * network.hidden_dim
    parts = (norm, mlp, layer_scale, drop_path)
    return pay(tokens, values, *(part for part in parts if part is not None))


def add_mlp(
    tokens: Tensor,
    hw: tuple[int, int],
    norm: nn.Module,
    mlp: 'Mlp',
    layer_scale: nn.Module | None = None,
    drop_path: DropPath | None = None,
) -> Tensor:
    """``tokens + drop_path(layer_scale(mlp(norm(tokens), hw)))``.

    The backward pass computes each band's hidden tokens again; it has no
    derivatives of its own.

    Args:
        tokens: (B, N, C), perhaps with others before those of the grid if
            the network has no halo.
        hw: Rows and columns.
        norm: Applied to each token first.
        mlp: The feed-forward network.
        layer_scale: Applied to the network's output; None is without.
        drop_path: Stochastic depth; None is without.
    """
    scaling = nn.Identity() if layer_scale is None else layer_scale
    # without a halo tokens are independent: each is a row of its own
    height, width = hw if mlp.halo else (tokens.shape[1], 1)
    wide = mlp.projection()
    if wide.weight is not None and untouched(scaling, LayerScale):
        weight = cast(LayerScale, scaling).scaled_rows(wide.weight)
        bias = None if wide.bias is None else scaling(wide.bias)
        wide = wide._replace(weight=weight, bias=bias)
    elif not untouched(scaling, nn.Identity):
        wide = Projection(mlp, None, None)

    def needed(top: int, bottom: int) -> slice:
        return slice(max(top - mlp.halo, 0), min(bottom + mlp.halo, height))

    def hidden(part: Tensor) -> Tensor:
        grid = part.shape[1], width
        made = wide.hidden(norm(part.flatten(1, 2)), grid)
        if wide.weight is None:
            made = scaling(made)
        return made.unflatten(1, grid)

    scale = drop_path.scale(tokens) if drop_path else None
    maps = tokens.unflatten(1, (height, width))
    bands = divide(len(tokens), height, width * mlp.hidden_dim, needed)
    added = project(
        maps,
        Computation(
            bands,
            hidden,
            tuple(maps.shape),
            residual=True,
            scale=None if scale is None else scale.unsqueeze(1),
        ),
        [p for part in (norm, mlp, scaling) for p in part.parameters()],
        wide.weight,
        wide.bias,
    )
    return added.flatten(1, 2)


class Computation(NamedTuple):
    """What is computed in bands, beside the tensors that learn.

    Attributes:
        bands: What is computed at once, in order.
        hidden: Maps a band's inputs to (b, rows, W', D), or to the result's
            (b, rows, W', C') where the projection has no weight.
        shape: (B, H', W', C'), of the result.
        residual: Whether the inputs are added.
        scale: (B, 1, 1, 1), of stochastic depth, only with ``residual``;
            None is 1.
    """

    bands: tuple[Band, ...]
    hidden: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    residual: bool = False
    scale: Tensor | None = None


def project(
    maps: Tensor,
    computation: Computation,
    learned: list[nn.Parameter],
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    """``hidden(maps) @ weight.T + bias``, in bands.

    Args:
        maps: (B, H, W, C).
        computation: What is computed of them.
        learned: What ``hidden`` learns.
        weight: (C', D) or None.
        bias: (C') or None.
    """
    return _Banded.apply(maps, computation, weight, bias, *learned)


class _Banded(torch.autograd.Function):
    """Forward in bands; backward recomputes each band's hidden tokens."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        computation: Computation,
        weight: Tensor | None,
        bias: Tensor | None,
        *learned: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(maps, weight, bias, *learned)
        ctx.computation = computation
        # adapters may drop values at random: the same ones when recomputed
        ctx.random_state = torch.get_rng_state()
        enabled = torch.is_autocast_enabled('cpu')
        dtype = torch.get_autocast_dtype('cpu')
        # weights that were cast without gradients must not be found again
        ctx.autocast = partial(torch.autocast, 'cpu', dtype, enabled, False)
        if not enabled:
            dtype = maps.dtype
        elif computation.residual:
            dtype = torch.promote_types(dtype, maps.dtype)
        result = maps.new_empty(computation.shape, dtype=dtype)
        scale = computation.scale
        for band in computation.bands:
            branch = band.crop(computation.hidden(band.inputs(maps)))
            if weight is not None:
                branch = F.linear(branch, weight, bias)
            out = band.outputs(result)
            if not computation.residual:
                out.copy_(branch)
            elif scale is None:
                torch.add(band.outputs(maps), branch, out=out)
            else:
                factor = scale[band.images]
                torch.addcmul(band.outputs(maps), branch, factor, out=out)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        computation: Computation = ctx.computation
        maps, weight, bias, *learned = ctx.saved_tensors
        needs = ctx.needs_input_grad
        totals: list[Tensor | None] = [None] * len(needs)
        if needs[0]:
            totals[0] = (
                grad.to(maps.dtype, copy=True)
                if computation.residual
                else torch.zeros_like(maps)
            )
        # places of what a band's hidden tokens are differentiated by
        wanted = [
            i for i, need in enumerate(needs) if need and i not in (2, 3)
        ]
        with torch.random.fork_rng(devices=()):
            torch.set_rng_state(ctx.random_state)
            for band in computation.bands:
                part = band.inputs(maps).detach().requires_grad_(needs[0])
                with torch.enable_grad(), ctx.autocast():
                    hidden = computation.hidden(part)
                grad_out = band.outputs(grad)
                if computation.scale is not None:
                    grad_out = grad_out * computation.scale[band.images]
                grad_out = grad_out.to(hidden.dtype)
                # by hand: slicing inside the graph would copy it all again
                grad_hidden = torch.empty_like(hidden)
                _blank_surplus(grad_hidden, band)
                target = band.crop(grad_hidden)
                if weight is None:
                    target.copy_(grad_out)
                else:
                    own = band.crop(hidden.detach())
                    _through_projection(
                        grad_out, own, weight, bias, needs, totals, target
                    )
                if not hidden.requires_grad:
                    continue
                sources = [part if i == 0 else learned[i - 4] for i in wanted]
                grads = torch.autograd.grad(
                    hidden, sources, grad_hidden, allow_unused=True
                )
                for place, value in zip(wanted, grads, strict=True):
                    if place == 0 and value is not None:
                        band.inputs(totals[0]).add_(value)  # type: ignore[arg-type]
                    else:
                        _accumulate(totals, place, value)
        return tuple(totals)


def _blank_surplus(grad: Tensor, band: Band) -> None:
    """Zeroes the rows of a hidden map's gradient beyond the band's."""
    surplus = grad.shape[1] - (band.rows.stop - band.rows.start)
    if surplus:
        above = band.rows.start - band.needed.start
        grad[:, :above].zero_()
        grad[:, grad.shape[1] - surplus + above :].zero_()


def _through_projection(
    grad: Tensor,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    needs: tuple[bool, ...],
    totals: list[Tensor | None],
    grad_hidden: Tensor,
) -> None:
    """Fills the gradient of ``hidden``; adds those of weight and bias.

    By hand, since autograd would first compute the projection again.
    """
    rows = grad.flatten(0, -2)
    if needs[2]:
        grad_weight = (rows.t() @ hidden.flatten(0, -2)).to(weight.dtype)
        _accumulate(totals, 2, grad_weight)
    if bias is not None and needs[3]:
        _accumulate(totals, 3, rows.sum(0, dtype=bias.dtype))
    out = grad_hidden.view(-1, grad_hidden.shape[-1])
    torch.mm(rows, weight.to(hidden.dtype), out=out)


def _accumulate(
    totals: list[Tensor | None], place: int, value: Tensor | None
) -> None:
    """Adds, not in place: autograd may give one tensor for two places."""
    total = totals[place]
    if total is None:
        totals[place] = value
    elif value is not None:
        totals[place] = total + value
