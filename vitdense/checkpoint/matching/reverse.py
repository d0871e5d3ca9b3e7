"""From vitdense's names back to those of the official file."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import CheckpointError
from .plan import LoadPlan
from .rules import Layout, SourceChunk, TargetChunk
from .tables import OFFICIAL_NAMES

# What of a file each chunk of each tensor of vitdense comes from
Sources = Mapping[str, Mapping[TargetChunk, SourceChunk]]


def kept_for_classifier(
    plan: LoadPlan, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What a file holds for a classifier, by official names.

    Args:
        plan: A plan to load it.
        tensors: The file's tensors by name.

    Returns:
        Empty if files of its layout do not keep that.
    """
    prefix = plan.layout.unused
    if prefix is None:
        return {}
    kept = {n.removeprefix(prefix): tensors[n] for n in plan.dropped}
    for chunk in (c for chunks in plan.chunks.values() for c in chunks):
        if chunk.rule.class_tokens:
            whole = tensors[chunk.name]
            kept[chunk.name] = whole[:, : chunk.rule.class_tokens]
    return kept


def to_official(
    layouts: Sequence[Layout],
    tensors: Mapping[str, Tensor],
    kept: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Tensors under vitdense's names to those of the official file.

    Args:
        layouts: Those of the family.
        tensors: A backbone's tensors.
        kept: What the official file holds beyond them, by official names.
            The class token's part of a position embedding is zero without.

    Raises:
        CheckpointError: If no official layout holds these tensors.
    """
    layout, sources = _official_layout(layouts, tensors)
    rows: dict[str, dict[int, Tensor]] = {}
    rules = {}
    for target, tensor in tensors.items():
        for to, source in sources[target].items():
            part = tensor.chunk(to.count)[to.index] if to.count > 1 else tensor
            rows.setdefault(source.name, {})[source.index] = part
            rules[source.name] = source.rule
    official = {}
    for name, parts in rows.items():
        tensor = parts[0]
        if rules[name].count > 1:
            # a chunk that is dropped, as a masked bias, is zero
            zeros = torch.zeros_like(tensor)
            numbers = range(rules[name].count)
            tensor = torch.cat([parts.get(n, zeros) for n in numbers])
        tokens = rules[name].class_tokens
        if tokens:
            none = tensor.new_zeros(1, tokens, tensor.shape[2])
            tensor = torch.cat([kept.get(name, none), tensor], dim=1)
        ones = [1] * rules[name].unit_dims
        official[name] = tensor.reshape((*tensor.shape, *ones))
    unused = {n: t for n, t in kept.items() if layout.drops(n)}
    return official | unused


def _official_layout(
    layouts: Sequence[Layout], targets: Mapping[str, Tensor]
) -> tuple[Layout, Sources]:
    """The official layout that has all the names, and the least beside."""
    fitting = []
    for layout in (la for la in layouts if la.unused == OFFICIAL_NAMES):
        sources = {target: layout.sources(target) for target in targets}
        if all(sources.values()):
            fitting.append((layout, sources))
    if not fitting:
        raise CheckpointError('no official layout holds these tensors')
    return min(fitting, key=lambda each: _count_unmet(*each))


def _count_unmet(layout: Layout, sources: Sources) -> int:
    """How many chunks of the layout's rules fill none of the tensors."""
    met = {
        (s.rule, s.index) for each in sources.values() for s in each.values()
    }
    return sum(len(rule.chunks) for rule in layout.rules) - len(met)
