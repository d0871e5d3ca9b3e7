"""Which tensor of a file goes where, decided on names and shapes alone."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from .adapt import POSITIONS, Adaptation, Grid, find_adaptation
from .consistency import odd_grids, odd_sizes, partial_groups
from .recognise import MatchedNames
from .rules import Layout, Shape, SourceChunk, TargetChunk

# What a file holds for each chunk of the tensors of vitdense, by their names
Chunks = Mapping[str, Mapping[TargetChunk, SourceChunk]]


@dataclass
class LoadPlan:
    """What loading would do; ``problems`` is empty if it may be done.

    Attributes:
        layout: How the file names its tensors.
        chunks: For each tensor of the model, what is concatenated to it.
        adapted: For each tensor of the model of another shape, the change.
        dropped: For each tensor left in the file, what it is.
        initial: Tensors of the model that keep their initial values.
        problems: Everything that does not fit, one line each.
    """

    layout: Layout
    chunks: dict[str, Sequence[SourceChunk]] = field(default_factory=dict)
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
        return dict(self.each(tensors, adapt))

    def each(
        self, tensors: Mapping[str, Tensor], adapt: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """What ``build`` gives, one by one."""
        for target, chunks in self.chunks.items():
            cut = [chunk.cut(tensors[chunk.name]) for chunk in chunks]
            tensor = cut[0] if len(cut) == 1 else torch.cat(cut)
            if adapt and target in self.adapted:
                tensor = self.adapted[target].apply(tensor)
            # the loop holds none of it while the next is made
            del cut
            yield target, tensor
            del tensor


def make_plan(
    names: MatchedNames,
    source: Mapping[str, Shape],
    model: Mapping[str, Shape],
) -> LoadPlan:
    """Match a file's tensors with a model's.

    Args:
        names: The file's names.
        source: Shapes of the file's tensors by name.
        model: Shapes of the model's tensors by name.
    """
    plan = LoadPlan(names.layout)
    held = _assign(plan, names, model)
    plan.initial += lacking(names.layout, held, model)
    for target in (name for name in model if name not in plan.initial):
        chunks = held.get(target, {})
        missing = list(_missing(names, target, chunks))
        plan.problems += missing
        if not missing:
            _fit_shape(plan, target, _in_order(chunks), source, model[target])
    plan.problems += partial_groups(names, plan.dropped)
    plan.problems += odd_sizes(names, source)
    plan.problems += odd_grids(_grids(plan, source))
    return plan


def shapes_made(
    names: MatchedNames, source: Mapping[str, Shape]
) -> dict[str, Shape | None]:
    """What a file's tensors make: shapes by name in vitdense.

    Args:
        names: The file's names.
        source: Shapes of its tensors by name.

    Returns:
        None for a tensor whose chunks do not go together.
    """
    held: dict[str, dict[TargetChunk, SourceChunk]] = defaultdict(dict)
    for name, match in names.known.items():
        for index, chunk in match.targets.items():
            held[chunk.name][chunk] = SourceChunk(name, match.rule, index)
    return {
        target: _joined_shape(_in_order(chunks), source)
        for target, chunks in held.items()
    }


def lacking(
    layout: Layout, held: Collection[str], model: Collection[str]
) -> list[str]:
    """Tensors of a model that a file may lack, if it lacks them all.

    Args:
        layout: The file's.
        held: Names of the tensors that it fills.
        model: Names of the model's.
    """
    if not layout.absent or any(t.startswith(layout.absent) for t in held):
        return []
    return [name for name in model if name.startswith(layout.absent)]


def _assign(
    plan: LoadPlan, names: MatchedNames, model: Mapping[str, Shape]
) -> Chunks:
    """Give each tensor of the file to the chunks that its rule names."""
    later = _later_stages(names, model)
    held: dict[str, dict[TargetChunk, SourceChunk]] = defaultdict(dict)
    for name, match in names.matches.items():
        if match is None:
            plan.problems.append(f'unexpected: {name}')
        elif match.rule.targets is None:
            plan.dropped[name] = match.rule.reason
        elif all(
            _stage(chunk.name) in later for chunk in match.targets.values()
        ):
            plan.dropped[name] = 'stage that is not built'
        else:
            for index, chunk in match.targets.items():
                own = SourceChunk(name, match.rule, index)
                first = held[chunk.name].setdefault(chunk, own)
                if chunk.name not in model or not _may_hold(
                    names.layout, chunk
                ):
                    plan.problems.append(
                        f'unexpected: {name} (the model has no {chunk.name})'
                    )
                elif first is not own:
                    plan.problems.append(
                        f'unexpected: {name} (as well as {first.name}, for '
                        f'{chunk.name})'
                    )
    return held


def _stage(target: str) -> int:
    """Its stage; -1 for what is of no stage, and so in every model."""
    first, _, rest = target.partition('.')
    return int(rest.partition('.')[0]) if first == 'stages' else -1


def _may_hold(layout: Layout, chunk: TargetChunk) -> bool:
    return layout.stages is None or _stage(chunk.name) < layout.stages


def _later_stages(names: MatchedNames, model: Collection[str]) -> range:
    """Stages of the file after those that the model has built."""
    held = {
        _stage(chunk.name)
        for match in names.known.values()
        for chunk in match.targets.values()
        if _may_hold(names.layout, chunk)
    }
    end = next(i for i in count() if i not in held)
    return range(1 + max(map(_stage, model), default=-1), end)


def _missing(
    names: MatchedNames,
    target: str,
    held: Mapping[TargetChunk, SourceChunk],
) -> Sequence[str]:
    """Complain of chunks of one tensor of the model that the file lacks."""
    if held and all(chunk.count == len(held) for chunk in held):
        return []
    title, sources = names.layout.title, names.layout.sources(target)
    if not sources and not held:
        return [f'missing: {target} ({title} files have no such tensor)']
    return [
        f'missing: {names.prefix}{source.name} (for {target})'
        for chunk, source in sources.items()
        if chunk not in held
    ]


def _in_order(
    chunks: Mapping[TargetChunk, SourceChunk],
) -> Sequence[SourceChunk]:
    return [chunks[c] for c in sorted(chunks, key=lambda c: c.index)]


def _fit_shape(
    plan: LoadPlan,
    target: str,
    chunks: Sequence[SourceChunk],
    source: Mapping[str, Shape],
    want: Shape,
) -> None:
    """Settle what one tensor of the model, of shape ``want``, is made of."""
    got = _joined_shape(chunks, source)
    if got != want:
        change = got and find_adaptation(plan.layout, target, got, want)
        if not change:
            found = ', '.join(f'{c.name} {source[c.name]}' for c in chunks)
            plan.problems.append(
                f'other shape: {found} does not make {target} {want}'
            )
            return
        plan.adapted[target] = change
    plan.chunks[target] = chunks


def _joined_shape(
    chunks: Sequence[SourceChunk], source: Mapping[str, Shape]
) -> Shape | None:
    shapes = {chunk.shape(source[chunk.name]) for chunk in chunks}
    shape = shapes.pop()
    if shapes or shape is None:
        return None
    if len(chunks) == 1:
        return shape
    return (shape[0] * len(chunks), *shape[1:])


def _grids(plan: LoadPlan, source: Mapping[str, Shape]) -> dict[str, int]:
    """Sides of the file's position grids by name, in order of the stages."""
    sides = {}
    for target, (chunk, *_) in sorted(plan.chunks.items()):
        if target.endswith(POSITIONS):
            shape = chunk.shape(source[chunk.name])
            grid = Grid.of(shape) if shape else None
            if grid is not None:
                sides[chunk.name] = grid.side
    return sides
