"""Which tensor of a file goes where, decided on names and shapes alone."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from .adapt import (
    POSITIONS,
    Adaptation,
    Grid,
    Shape,
    adaptation,
)
from .consistency import odd_grids, odd_sizes, partial_groups
from .rules import Layout, Rule, Slot


@dataclass(frozen=True)
class Piece:
    """Block ``block`` of the rows of a tensor in the file."""

    source: str
    rule: Rule
    block: int

    def shape(self, source: Shape) -> Shape | None:
        """Its shape, or None if the source's does not allow the cut."""
        kept = len(source) - self.rule.unit_dims
        if kept < 0 or any(size != 1 for size in source[kept:]):
            return None
        shape = list(source[:kept])
        if self.rule.class_tokens:
            if len(shape) < 2 or shape[1] <= self.rule.class_tokens:
                return None
            shape[1] -= self.rule.class_tokens
        blocks = len(self.rule.slots)
        if blocks > 1:
            if not shape or shape[0] % blocks:
                return None
            shape[0] //= blocks
        return tuple(shape)

    def cut(self, tensor: Tensor) -> Tensor:
        """Take it out of the source, whose shape has been checked."""
        shape = self.shape(tuple(tensor.shape))
        if self.rule.class_tokens:
            tensor = tensor[:, self.rule.class_tokens :]
        if len(self.rule.slots) > 1:
            tensor = tensor.chunk(len(self.rule.slots))[self.block]
        return tensor.reshape(shape or ())


@dataclass
class Plan:
    """What loading would do; ``problems`` is empty if it may be done.

    Attributes:
        pieces: For each tensor of the model, what is concatenated to it.
        adapted: For each tensor of the model of another shape, the change.
        dropped: For each tensor left in the file, what it is.
        initial: Tensors of the model that keep their initial values.
        problems: Everything that does not fit, one line each.
    """

    layout: Layout
    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    adapted: dict[str, Adaptation] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    initial: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def build(
        self, tensors: Mapping[str, Tensor], adapt: bool = True
    ) -> dict[str, Tensor]:
        """The model's tensors, from those of the file.

        Args:
            tensors: The file's, by name.
            adapt: Whether to make the changes of shape in ``adapted``.
        """
        built = {}
        for target, pieces in self.pieces.items():
            cut = [piece.cut(tensors[piece.source]) for piece in pieces]
            tensor = cut[0] if len(cut) == 1 else torch.cat(cut)
            if adapt and target in self.adapted:
                tensor = self.adapted[target].apply(tensor)
            built[target] = tensor
        return built


def make_plan(
    layout: Layout,
    source: Mapping[str, Shape],
    model: Mapping[str, Shape],
) -> Plan:
    """Match a file's tensors with a model's.

    Args:
        layout: How the file names them.
        source: Shapes of the file's tensors by name.
        model: Shapes of the model's tensors by name.
    """
    plan = Plan(layout)
    slots = _assign(plan, source, model)
    prefix = next((layout.prefix for n in source if _prefixed(layout, n)), '')
    for target in _lacking(layout, slots, model):
        plan.initial.append(target)
    for target in [name for name in model if name not in plan.initial]:
        _fill(
            plan, target, model[target], slots.get(target, {}), source, prefix
        )
    plan.problems += partial_groups(layout, plan.dropped, prefix)
    plan.problems += odd_sizes(layout, source)
    plan.problems += odd_grids(_grids(plan, source))
    return plan


def _grids(plan: Plan, source: Mapping[str, Shape]) -> dict[str, int]:
    """Sides of the file's position grids by name, in order of the stages."""
    sides = {}
    for target, (piece, *_) in sorted(plan.pieces.items()):
        if target.endswith(POSITIONS):
            shape = piece.shape(source[piece.source])
            grid = Grid.of(shape) if shape else None
            if grid is not None:
                sides[piece.source] = grid.side
    return sides


def _prefixed(layout: Layout, name: str) -> bool:
    return bool(layout.prefix) and name.startswith(layout.prefix)


def _assign(
    plan: Plan, source: Mapping[str, Shape], model: Mapping[str, Shape]
) -> dict[str, dict[Slot, Piece]]:
    """Give each tensor of the file to the slots of its rule."""
    later = _later_stages(plan.layout, source, model)
    slots: dict[str, dict[Slot, Piece]] = defaultdict(dict)
    for name in source:
        found = plan.layout.find(name)
        if found is None:
            plan.problems.append(f'unexpected: {name}')
            continue
        rule, targets = found
        if rule.targets is None:
            plan.dropped[name] = rule.reason
        elif all(_stage(slot.name) in later for slot in targets):
            plan.dropped[name] = 'stage that is not built'
        else:
            for block, slot in enumerate(targets):
                piece = Piece(name, rule, block)
                other = slots[slot.name].setdefault(slot, piece)
                if slot.name not in model or not _may_hold(plan.layout, slot):
                    plan.problems.append(
                        f'unexpected: {name} (the model has no {slot.name})'
                    )
                elif other is not piece:
                    plan.problems.append(
                        f'unexpected: {name} (as well as {other.source}, '
                        f'for {slot.name})'
                    )
    return slots


def _stage(target: str) -> int:
    return int(target.split('.')[1])


def _may_hold(layout: Layout, slot: Slot) -> bool:
    return layout.stages is None or _stage(slot.name) < layout.stages


def _later_stages(
    layout: Layout, source: Mapping[str, Shape], model: Mapping[str, Shape]
) -> range:
    """Stages of the file after those that the model has built."""
    found = [layout.find(name) for name in source]
    slots = [slot for entry in found if entry for slot in entry[1]]
    held = {_stage(slot.name) for slot in slots if _may_hold(layout, slot)}
    end = next(i for i in count() if i not in held)
    return range(1 + max(map(_stage, model), default=-1), end)


def _lacking(
    layout: Layout,
    slots: Mapping[str, dict[Slot, Piece]],
    model: Mapping[str, Shape],
) -> list[str]:
    """Tensors of the model that the file lacks, if it lacks them all."""
    if not layout.absent or any(t.startswith(layout.absent) for t in slots):
        return []
    return [name for name in model if name.startswith(layout.absent)]


def _fill(
    plan: Plan,
    target: str,
    want: Shape,
    slots: Mapping[Slot, Piece],
    source: Mapping[str, Shape],
    prefix: str,
) -> None:
    """Settle what one tensor of the model is made of."""
    expected = plan.layout.sources(target)
    if not expected and not slots:
        plan.problems.append(
            f'missing: {target} ({plan.layout.title} files have no such '
            'tensor)'
        )
        return
    missing = [name for name, _, slot in expected if slot not in slots]
    if missing:
        plan.problems += [
            f'missing: {prefix}{name} (for {target})' for name in missing
        ]
        return
    pieces = [slots[slot] for slot in sorted(slots, key=lambda s: s.index)]
    got = _joined_shape(pieces, source)
    if got != want:
        change = adaptation(plan.layout, target, got, want) if got else None
        if change is None:
            found = ', '.join(f'{p.source} {source[p.source]}' for p in pieces)
            plan.problems.append(
                f'other shape: {found} does not make {target} {want}'
            )
            return
        plan.adapted[target] = change
    plan.pieces[target] = pieces


def _joined_shape(
    pieces: list[Piece], source: Mapping[str, Shape]
) -> Shape | None:
    shapes = {piece.shape(source[piece.source]) for piece in pieces}
    shape = shapes.pop()
    if shapes or shape is None:
        return None
    if len(pieces) == 1:
        return shape
    return (shape[0] * len(pieces), *shape[1:])
