"""What a tensor may be adapted by when its shape is not the model's."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

from torch import Tensor

from vitdense.layers.position import resize_grid

Shape = tuple[int, ...]

FIRST_CONV = 'stages.0.patch_embed.proj.weight'
POSITIONS = '.pos_embed'
RGB = 3


@dataclass(frozen=True)
class Adaptation:
    """A change of shape, and its description for the report."""

    text: str
    apply: Callable[[Tensor], Tensor]


def grid_side(shape: Shape) -> int | None:
    """Side of the square grid of a (1, N, C) position embedding, if it is."""
    if len(shape) != 3 or shape[0] != 1:
        return None
    side = isqrt(shape[1])
    return side if side * side == shape[1] and side > 0 else None


def adaptation(name: str, got: Shape, want: Shape) -> Adaptation | None:
    """How to make the tensor ``name`` of shape ``got`` fit; None if barred.

    Args:
        name: The tensor's name in vitdense.
        got: Its shape in the file.
        want: Its shape in the model.
    """
    if name.endswith(POSITIONS):
        return _resize(name, got, want)
    if name == FIRST_CONV:
        return _change_channels(name, got, want)
    return None


def _resize(name: str, got: Shape, want: Shape) -> Adaptation | None:
    old, new = grid_side(got), grid_side(want)
    if old is None or new is None or got[2] != want[2]:
        return None
    return Adaptation(
        f'{name} resized from {old} x {old} to {new} x {new}',
        lambda t: resize_grid(
            t.float(), (old, old), (new, new), 'bilinear'
        ).to(t.dtype),
    )


def _change_channels(name: str, got: Shape, want: Shape) -> Adaptation | None:
    if (
        len(got) != 4
        or got[1] != RGB
        or (got[0], *got[2:]) != (want[0], *want[2:])
    ):
        return None
    count = want[1]

    def change(weight: Tensor) -> Tensor:
        if count == 1:  # grey: what equal R, G and B would give
            return weight.sum(1, keepdim=True)
        cycled = weight[:, [i % RGB for i in range(count)]]
        return cycled * (RGB / count)  # keeps the scale of the output

    return Adaptation(
        f'{name} adapted from {RGB} to {count} input channels', change
    )
