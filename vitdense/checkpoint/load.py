"""The one strict loader."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor

from vitdense.backbones.family import OFFICIAL, Family
from vitdense.backbones.pyramid import PyramidBackbone, known_backbones

from .errors import CheckpointError, named
from .matching.adapt import Shape
from .matching.plan import Plan, make_plan
from .matching.recognise import recognise
from .matching.rules import Layout
from .reading.safe import read_file
from .reading.source import locate
from .reading.unwrap import Unwrapped, unwrap
from .report import LoadReport


@dataclass(frozen=True)
class Fit:
    """A file's tensors matched with a model's.

    Attributes:
        plan: What goes where.
        found: The file's tensors.
        report: What to tell of it.
        problems: Everything that does not fit, one line each.
    """

    plan: Plan
    found: Unwrapped
    report: LoadReport
    problems: tuple[str, ...]


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

    Args:
        model: A backbone of vitdense.
        source: A file, an http(s) URL, or ``'official'`` for the published
            checkpoint of the model's arch. PyTorch and safetensors files of
            the layouts of the model's family are recognised by their names,
            also in containers and in whole detectors.
        sha256: Digest that the file must have.

    Raises:
        CheckpointError: If the file cannot be had, is damaged, holds code,
            or does not fit; one message lists all that does not. It is a
            ``ValueError``.
    """
    if source == OFFICIAL:
        source = model.family.official_url(model.arch_name)
    targets = model.state_dict()
    if any(tensor.is_meta for tensor in targets.values()):
        raise CheckpointError(
            f'{source}: the model is on the meta device, which holds no values'
        )
    path = locate(source, sha256)
    found = open_source(path, source)
    fit = check_fit(found, source, model.family, shapes(targets))
    if fit.problems:
        raise CheckpointError(_misfit(fit))
    built = fit.plan.build(found.tensors)
    with torch.no_grad():
        for name, tensor in built.items():
            targets[name].copy_(tensor)
    print_log(str(fit.report), logger='current')
    return fit.report


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def open_source(path: Path, source: str) -> Unwrapped:
    """Read a file and find the backbone's tensors in it.

    Args:
        path: The file.
        source: What messages call it.

    Raises:
        CheckpointError: If it cannot be read or holds no state dict.
    """
    content = read_file(path)
    with named(source):
        return unwrap(content)


def check_fit(
    found: Unwrapped, source: str, family: Family, model: Mapping[str, Shape]
) -> Fit:
    """Match a file's tensors with a model's.

    Args:
        found: The file's tensors.
        source: What messages call it.
        family: The model's family.
        model: Shapes of the model's tensors by name.

    Raises:
        CheckpointError: If the layout is unknown or of another family.
    """
    with named(source):
        layout = recognise(found.tensors, family.layouts, _foreign(family))
    plan = make_plan(layout, shapes(found.tensors), model)
    report = LoadReport(
        source=source,
        layout=layout.title,
        matched=len(plan.pieces),
        total=len(model),
        adapted=tuple(a.text for a in plan.adapted.values()),
        dropped=(*plan.dropped.items(), *_outside(found.outside)),
        initial=tuple(plan.initial),
        notes=(*found.notes, *filter(None, [layout.note])),
    )
    problems = (*plan.problems, *_odd_types(found.tensors, plan))
    return Fit(plan, found, report, problems)


def _foreign(family: Family) -> Iterator[Layout]:
    """Layouts of the other families that have been imported."""
    for each in known_backbones():
        if each.family is not family:
            yield from each.family.layouts


def _odd_types(tensors: Mapping[str, Tensor], plan: Plan) -> Iterable[str]:
    for target, pieces in plan.pieces.items():
        counts = target.endswith('num_batches_tracked')
        for piece in pieces:
            dtype = tensors[piece.source].dtype
            if dtype.is_floating_point == counts or dtype.is_complex:
                yield f'other type: {piece.source} is {dtype}'


def _outside(names: list[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        yield name, f'{name.partition(".")[0]}, outside the backbone'


def _misfit(fit: Fit) -> str:
    heading = (
        f'{fit.report.source} does not fit the model; nothing was loaded. '
        f'Layout {fit.report.layout}, {len(fit.problems)} misfits'
    )
    if fit.found.notes:
        heading += f' ({"; ".join(fit.found.notes)})'
    return '\n  '.join((f'{heading}:', *fit.problems))
