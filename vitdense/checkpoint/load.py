"""The one strict loader."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from vitdense.backbones.family import OFFICIAL, Family
from vitdense.backbones.pyramid import PyramidBackbone, known_backbones

from .errors import CheckpointError, blaming
from .matching.plan import LoadPlan, make_plan
from .matching.recognise import MatchedNames, best_match, refuse_unknown
from .matching.rules import Layout, Shape
from .reading.mapped import MappedTensors, check_sums, is_large
from .reading.safe import read_file
from .reading.source import locate
from .reading.unwrap import BACKBONE, BackboneTensors, unwrap
from .report import LoadReport, make_report


def load_backbone(
    model: PyramidBackbone,
    source: str,
    *,
    sha256: str | None = None,
) -> LoadReport:
    """Load a backbone's weights, exactly or not at all.

    Every tensor of the file must have its place or be known as one that a
    pyramid has no use for, and every tensor of the model must be filled; what
    was adapted, dropped or left as it was is in the report, which is logged.
    The model is changed only after everything has been checked.

    A model that was built on the ``meta`` device gets its tensors from the
    file, on CPU. Neither it nor any other needs the memory of a large file
    beside its own: tensors are read one by one.

    Args:
        model: A backbone of vitdense.
        source: A file, a folder or index of transformers, an http(s) URL, or
            ``'official'`` for the published checkpoint of the model's arch.
            PyTorch and safetensors files of the layouts of the model's
            family are recognised by their names, also in containers and in
            whole detectors.
        sha256: Digest that the file must have.

    Raises:
        CheckpointError: If the file cannot be had, is damaged, holds code,
            or does not fit; one message lists all that does not. It is a
            ``ValueError``.
    """
    family = model.family
    if source == OFFICIAL:
        source = family.official_url(model.arch_name)
    targets = _plain_state(model)
    held = read_backbone(locate(source, sha256), source)
    plan, report = _fit(model, held, source, targets)
    _refuse_empty(model, plan, source)
    own_names = {plain: own for own, plain in model.plain_names().items()}
    with torch.no_grad():
        for name, tensor in plan.each(held.tensors):
            if targets[name].is_meta:
                _give(model, own_names[name], tensor)
            else:
                targets[name].copy_(tensor)
    print_log(str(report), logger='current')
    return report


def with_own_backbone(
    model: nn.Module, held: dict[str, Tensor], source: str
) -> dict[str, Tensor]:
    """Name and shape the backbone's tensors of a whole model as ours does.

    Detectors and segmentors of other packages have them in another layout.

    Args:
        model: A detector or segmentor.
        held: The tensors of one with the same heads, by name.
        source: What messages call the file that they are from.

    Returns:
        The same where the names are the model's, or its backbone is none of
        vitdense.

    Raises:
        CheckpointError: If those of the backbone do not fit; one message
            lists all that does not.
    """
    backbone = getattr(model, 'backbone', None)
    theirs = {n: t for n, t in held.items() if n.startswith(BACKBONE)}
    own = {n for n in model.state_dict() if n.startswith(BACKBONE)}
    if (
        not isinstance(backbone, PyramidBackbone)
        or not theirs
        or theirs.keys() == own
    ):
        return held
    with blaming(source):
        found = unwrap(theirs)
    plan, _ = _fit(backbone, found, source, _plain_state(backbone))
    built = plan.build(found.tensors)
    rest = {n: t for n, t in held.items() if n not in theirs}
    names = backbone.plain_names()
    filled = {
        f'{BACKBONE}{name}': built.get(names.get(name, ''), tensor)
        for name, tensor in backbone.state_dict().items()
    }
    return {**filled, **rest}


def _plain_state(model: PyramidBackbone) -> dict[str, Tensor]:
    """A backbone's tensors by their names without adapters."""
    own = model.state_dict()
    return {plain: own[name] for name, plain in model.plain_names().items()}


def _fit(
    model: PyramidBackbone,
    held: BackboneTensors,
    source: str,
    targets: Mapping[str, Tensor],
) -> tuple[LoadPlan, LoadReport]:
    """How a backbone is filled, and what is said of it."""
    family = model.family
    names = match_names(held, source, [family])[family]
    plan = plan_load(held, names, shapes_of(targets))
    report = make_report(source, held, plan, len(targets))
    if plan.problems:
        raise CheckpointError(_misfit(report, held.notes, plan.problems))
    return plan, report


def _refuse_empty(model: PyramidBackbone, plan: LoadPlan, source: str) -> None:
    """Complain of what would be left on ``meta``, which holds no values."""
    filled = {n for n, p in model.plain_names().items() if p in plan.chunks}
    empty = [
        name
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if tensor.is_meta and name not in filled
    ]
    if empty:
        raise CheckpointError(
            f'{source}: the model is on the meta device, which holds no '
            f'values, and the file has none for {", ".join(empty[:8])}'
        )


def _give(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Have a model on ``meta`` hold a copy of a tensor."""
    place, _, own_name = name.rpartition('.')
    module = model.get_submodule(place)
    before = getattr(module, own_name)
    own = torch.empty_like(before, device='cpu').copy_(tensor)
    if isinstance(before, nn.Parameter):
        learned = nn.Parameter(own, before.requires_grad)
        module.register_parameter(own_name, learned)
    else:
        module.register_buffer(own_name, own)


def read_backbone(path: Path, source: str) -> BackboneTensors:
    """Read a file and find the backbone's tensors in it.

    Args:
        path: The file.
        source: What messages call it.

    Raises:
        CheckpointError: If it cannot be read or holds no state dict.
    """
    large = is_large(path)

    def read() -> BackboneTensors:
        content = read_file(path, mapped=large)
        with blaming(source):
            return unwrap(content)

    if large:
        check_sums(path)
    found = read()
    if large:
        found.tensors = MappedTensors(lambda: read().tensors)
    return found


def read_tensors(
    source: str, sha256: str | None = None
) -> Mapping[str, Tensor]:
    """A backbone's tensors in a file, by the names that they have there.

    Args:
        source: A file or an http(s) URL.
        sha256: Digest that the file must have.

    Raises:
        CheckpointError: If it cannot be had or read, or holds no state dict.
    """
    return read_backbone(locate(source, sha256), source).tensors


def match_names(
    held: BackboneTensors, source: str, families: Sequence[Family]
) -> dict[Family, MatchedNames]:
    """Match the names of a file's tensors with layouts of families.

    Args:
        held: The file's tensors.
        source: What messages call it.
        families: Those that it may be of.

    Returns:
        The names by the family whose layout knows most of them; by several
        if those know as many, as in files that vitdense wrote.

    Raises:
        CheckpointError: If none knows most of them, saying whether another
            family does that has been imported.
    """
    matched = {f: best_match(held.tensors, f.layouts) for f in families}
    most = max(len(names.known) for names in matched.values())
    matched = {f: m for f, m in matched.items() if len(m.known) == most}
    layouts = [layout for family in families for layout in family.layouts]
    with blaming(source):
        best = next(iter(matched.values()))
        refuse_unknown(best, layouts, _foreign_to(families))
    return matched


def _foreign_to(families: Sequence[Family]) -> Iterator[Layout]:
    """Layouts of the other families that have been imported."""
    for backbone in known_backbones():
        if backbone.family not in families:
            yield from backbone.family.layouts


def plan_load(
    held: BackboneTensors, names: MatchedNames, model: Mapping[str, Shape]
) -> LoadPlan:
    """Plan a load on names, shapes and types.

    Args:
        held: The file's tensors.
        names: Their names.
        model: Shapes of the model's tensors by name.
    """
    plan = make_plan(names, shapes_of(held.tensors), model)
    plan.problems += _odd_types(held.tensors, plan)
    return plan


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _odd_types(tensors: Mapping[str, Tensor], plan: LoadPlan) -> Iterable[str]:
    for target, chunks in plan.chunks.items():
        counts = target.endswith('num_batches_tracked')
        for chunk in chunks:
            dtype = tensors[chunk.name].dtype
            if dtype.is_floating_point == counts or dtype.is_complex:
                yield f'other type: {chunk.name} is {dtype}'


def _misfit(
    report: LoadReport, notes: Sequence[str], problems: Sequence[str]
) -> str:
    heading = (
        f'{report.source} does not fit the model; nothing was loaded. '
        f'Layout {report.layout}, {len(problems)} misfits'
    )
    if notes:
        heading += f' ({"; ".join(notes)})'
    return '\n  '.join((f'{heading}:', *problems))
