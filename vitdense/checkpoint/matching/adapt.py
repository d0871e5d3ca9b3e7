"""What a tensor may be adapted by when its shape is not the model's."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor

from vitdense.layers.position import resize_grid

from .rules import Layout, Shape

FIRST_EMBED = 'stages.0.patch_embed.'
POSITIONS = '.pos_embed'
RGB = 3


@dataclass(frozen=True)
class Adaptation:
    """A change of shape, and its description for the report."""

    text: str
    apply: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Grid:
    """A square grid of positions, after the class token's if it has one."""

    side: int
    class_tokens: int

    @classmethod
    def of(cls, shape: Shape) -> 'Grid | None':
        """The grid of a (1, N, C) position embedding, if it is one."""
        if len(shape) != 3 or shape[0] != 1:
            return None
        for class_tokens in (0, 1):
            cells = shape[1] - class_tokens
            if cells > 0 and isqrt(cells) ** 2 == cells:
                return cls(isqrt(cells), class_tokens)
        return None


def find_adaptation(
    layout: Layout, name: str, got: Shape, want: Shape
) -> Adaptation | None:
    """How to make the tensor ``name`` of shape ``got`` fit; None if barred.

    Args:
        layout: The layout of the file.
        name: The tensor's name in vitdense.
        got: Its shape in the file.
        want: Its shape in the model.
    """
    if name.endswith(POSITIONS):
        return _resize(name, got, want, layout.positions)
    if name == f'{FIRST_EMBED}proj.weight':
        return _change_channels(name, got, want, 1, layout.window)
    if layout.window > 1 and name.startswith(f'{FIRST_EMBED}norm.'):
        return _change_channels(name, got, want, 0, layout.window)
    return None


def _resize(
    name: str, got: Shape, want: Shape, mode: str
) -> Adaptation | None:
    old, new = Grid.of(got), Grid.of(want)
    if (
        old is None
        or new is None
        or (old.class_tokens, got[2]) != (new.class_tokens, want[2])
    ):
        return None
    old_hw, new_hw = (old.side, old.side), (new.side, new.side)

    def resize(embed: Tensor) -> Tensor:
        first = embed[:, : old.class_tokens]
        grid = embed[:, old.class_tokens :]
        resized = resize_grid(grid.float(), old_hw, new_hw, mode)
        return torch.cat((first, resized.to(embed.dtype)), 1)

    return Adaptation(
        f'{name} resized from {old.side} x {old.side} to '
        f'{new.side} x {new.side}',
        resize,
    )


def _change_channels(
    name: str, got: Shape, want: Shape, axis: int, window: int
) -> Adaptation | None:
    """Adapt to other input channels, which lie along ``axis``.

    Args:
        window: Values of each channel there, channel by channel: 1 in a
            convolution, those of a patch in a soft split.
    """
    if len(got) != len(want) or len(got) <= axis:
        return None
    count, rest = divmod(want[axis], window)
    same = got[:axis] + got[axis + 1 :] == want[:axis] + want[axis + 1 :]
    if not same or rest or got[axis] != RGB * window:
        return None

    def change(tensor: Tensor) -> Tensor:
        split = tensor.reshape(*got[:axis], RGB, window, *got[axis + 1 :])
        if count == 1:  # grey: what equal R, G and B would give
            split = split.mean(axis, keepdim=True)
        else:
            cycle = [i % RGB for i in range(count)]
            split = split.index_select(axis, torch.tensor(cycle))
        if axis == 1:  # a projection: keeps the scale of its output
            split = split * (RGB / count)
        return split.reshape(want)

    return Adaptation(
        f'{name} adapted from {RGB} to {count} input channels', change
    )
