"""The one strict loader."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from mmengine.logging import print_log
from torch import Tensor

from .adapt import Shape
from .errors import CheckpointError
from .plan import Plan, make_plan
from .recognise import recognise
from .report import LoadReport
from .safe import read_file
from .source import locate
from .unwrap import Unwrapped, unwrap
from .zoo import OFFICIAL, official_url


class Backbone(Protocol):
    """What the loader needs of a model."""

    @property
    def family(self) -> str:
        """Key of its layouts: 'pvt', 'cvt' or 't2t'."""

    @property
    def arch_name(self) -> str | None:
        """Key of its published checkpoint; None for a user's own arch."""

    def state_dict(self) -> dict[str, Tensor]:
        """Its tensors by name."""


@dataclass(frozen=True)
class Fit:
    """A file's tensors matched with a model's, without a misfit."""

    plan: Plan
    found: Unwrapped
    report: LoadReport

    def tensors(self) -> dict[str, Tensor]:
        """The model's tensors, made from those of the file."""
        return self.plan.build(self.found.tensors)


def load_backbone(
    model: Backbone,
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
            the layouts in ``vitdense.checkpoint.layouts`` are recognised by
            their names, also in containers and in whole detectors.
        sha256: Digest that the file must have.

    Raises:
        CheckpointError: If the file cannot be had, is damaged, holds code,
            or does not fit; one message lists all that does not. It is a
            ``ValueError``.
    """
    if source == OFFICIAL:
        source = official_url(model.family, model.arch_name)
    path = locate(source, sha256)
    targets = model.state_dict()
    fit = fit_file(path, source, model.family, shapes(targets))
    built = fit.tensors()
    with torch.no_grad():
        for name, tensor in built.items():
            targets[name].copy_(tensor)
    print_log(str(fit.report), logger='current')
    return fit.report


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def fit_file(
    path: Path,
    source: str,
    family: str,
    model: Mapping[str, Shape],
) -> Fit:
    """Read a file and match its tensors with a model's.

    Args:
        path: The file.
        source: What messages call it.
        family: The model's family.
        model: Shapes of the model's tensors by name.

    Raises:
        CheckpointError: If it cannot be read or does not fit.
    """
    content = read_file(path)
    try:
        found = unwrap(content)
        layout = recognise(found.tensors, family)
    except CheckpointError as error:
        raise CheckpointError(f'{source}: {error}') from None
    plan = make_plan(layout, shapes(found.tensors), model)
    problems = [*plan.problems, *_odd_types(found.tensors, plan)]
    if problems:
        raise CheckpointError(_misfit(source, plan, problems, found.notes))
    dropped = [*plan.dropped.items(), *_outside(found.outside)]
    report = LoadReport(
        source=source,
        layout=layout.title,
        matched=len(plan.pieces),
        total=len(model),
        adapted=tuple(a.text for a in plan.adapted.values()),
        dropped=tuple(dropped),
        initial=tuple(plan.initial),
        notes=(*found.notes, *filter(None, [layout.note])),
    )
    return Fit(plan, found, report)


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


def _misfit(
    source: str, plan: Plan, problems: list[str], notes: list[str]
) -> str:
    heading = (
        f'{source} does not fit the model; nothing was loaded. Layout '
        f'{plan.layout.title}, {len(problems)} misfits'
    )
    if notes:
        heading += f' ({"; ".join(notes)})'
    return '\n  '.join((f'{heading}:', *problems))
