"""What one cell of each stage takes of all others.

H x W grid of a stage.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Point = tuple[float, float]


class Looked(NamedTuple):
    """Where a cell of one stage looks.

    Attributes:
        name: Of the module, in the backbone.
        weights: ``(H, W)``: the part of each cell. Keys that were made of
            several cells are shared by them.
        prefix: The part of the tokens before those of the grid; with it the
            weights are 1 in sum.
        cell: Row and column of the cell that looks.
    """

    name: str
    weights: Tensor
    prefix: float
    cell: tuple[int, int]


def look_from(
    backbone: nn.Module, inputs: Tensor, point: Point, head: int | None = None
) -> list[Looked]:
    """What the cell at a point takes, in the last block of each stage.

    Of modules that have a method ``look``, as `Attention` has: what each was
    given in a usual run is given to it. Of parallel branches the last is
    shown.

    Args:
        backbone: Of any family, in evaluation.
        inputs: ``(1, 3, H, W)``.
        point: Across and down, in parts of the image.
        head: One head alone; None is their mean.

    Raises:
        ValueError: If no part of the backbone attends, or one has no such
            head.
    """
    found: dict[str, Looked] = {}
    with _recorded(backbone) as calls, torch.no_grad():
        backbone(inputs)
    for name, module, tokens, hw in calls:
        cell = int(point[1] * hw[0]), int(point[0] * hw[1])
        with torch.no_grad():
            weights, prefix = module.look(tokens, hw, cell)
        if head is None:
            chosen, before = weights.mean(0), prefix.mean(0)
        elif head < len(weights):
            chosen, before = weights[head], prefix[head]
        else:
            raise ValueError(
                f'head={head}: {name} has {len(weights)}, counted from 0'
            )
        stage = '.'.join(name.split('.')[:2])
        found[stage] = Looked(name, chosen.float(), float(before), cell)
    if not found:
        raise ValueError(
            f'{type(backbone).__name__} has no attention that can be looked at'
        )
    return list(found.values())


@contextmanager
def _recorded(
    backbone: nn.Module,
) -> Iterator[list[tuple[str, Any, Tensor, tuple[int, int]]]]:
    """Notes what every module that can be looked at was given, in order."""
    calls: list[tuple[str, Any, Tensor, tuple[int, int]]] = []

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda module, given: calls.append((name, module, *given))

    handles = [
        module.register_forward_pre_hook(note(name))
        for name, module in backbone.named_modules()
        if hasattr(module, 'look')
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
