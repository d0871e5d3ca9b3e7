"""Rewrites a checkpoint under vitdense's names, or under the official ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from vitdense import __version__
from vitdense.backbones.family import Family
from vitdense.backbones.pyramid import PyramidBackbone, known_backbones

from .errors import CheckpointError, blaming
from .load import match_names, plan_load, read_backbone, shapes_of
from .matching.adapt import find_adaptation
from .matching.plan import LoadPlan, lacking, shapes_made
from .matching.recognise import MatchedNames
from .matching.reverse import kept_for_classifier, to_official
from .matching.rules import Layout, Shape
from .matching.tables import UNUSED
from .reading.digest import TENSORS_SHA256, digest_file, digest_tensors
from .reading.source import locate
from .report import LoadReport, make_report
from .whole_file import whole_file

SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin')


def convert_checkpoint(
    source: str,
    destination: Path,
    backbones: Sequence[type[PyramidBackbone]] | None = None,
    *,
    to: Literal['vitdense', 'official'] = 'vitdense',
    sha256: str | None = None,
) -> LoadReport:
    """Write a checkpoint's backbone in one layout; the numbers stay as is.

    A converted official file also keeps, as ``unused.NAME``, what it held for
    its classifier, so that writing it back gives the same file.

    Args:
        source: A file or URL, as in ``load_backbone``.
        destination: The file to write, ``.safetensors`` or one of PyTorch's
            suffixes. It must not exist.
        backbones: Classes of the families that it may be of; None is all
            that have been imported.
        to: Whose names to write.
        sha256: Digest that the source must have.

    Raises:
        CheckpointError: If the source cannot be read or fits no arch, or the
            destination cannot be written.
    """
    _check_destination(destination)
    if backbones is None:
        backbones = known_backbones()
    path = locate(source, sha256)
    held = read_backbone(path, source)
    matched = match_names(held, source, [b.family for b in backbones])
    family, arch, model = _nearest_arch(
        backbones, matched, shapes_of(held.tensors)
    )
    plan = plan_load(held, matched[family], model)
    if plan.problems:
        raise CheckpointError(_misfit(source, family, arch, plan))
    tensors = plan.build(held.tensors, adapt=False)
    kept = kept_for_classifier(plan, held.tensors)
    if to == 'official':
        with blaming(f'{source}: family {family.name!r}'):
            tensors = to_official(family.layouts, tensors, kept)
    else:
        tensors.update({UNUSED + name: t for name, t in kept.items()})
    metadata = {
        'format': 'pt',
        'layout': to,
        'family': family.name,
        'arch': arch,
        'source': Path(source).name if Path(source).exists() else source,
        'source_layout': plan.layout.title,
        'source_sha256': digest_file(path),
        'written_by': f'vitdense {__version__}',
        TENSORS_SHA256: digest_tensors(tensors),
    }
    _write(tensors, metadata, destination)
    report = make_report(source, held, plan, len(model))
    return replace(report, adapted=())


def _check_destination(destination: Path) -> None:
    if destination.suffix not in SUFFIXES:
        raise CheckpointError(
            f'{destination}: the name must end in one of {", ".join(SUFFIXES)}'
        )
    if destination.exists():
        raise CheckpointError(f'{destination} exists; it was not overwritten')
    if not destination.parent.is_dir():
        raise CheckpointError(f'{destination.parent} is not a directory')


def _nearest_arch(
    backbones: Sequence[type[PyramidBackbone]],
    matched: Mapping[Family, MatchedNames],
    source: Mapping[str, Shape],
) -> tuple[Family, str, dict[str, Shape]]:
    """The arch whose tensors are the most like those of a file.

    Args:
        backbones: Classes of the families that the file may be of.
        matched: Its names, by the families whose layouts know them.
        source: Shapes of its tensors by name.

    Returns:
        The family, the name of the arch, and shapes of its tensors by name.
    """
    ranked = []
    for backbone in (b for b in backbones if b.family in matched):
        family = backbone.family
        names = matched[family]
        made = shapes_made(names, source)
        for arch in family.archs:
            with torch.device('meta'):
                model = shapes_of(backbone(arch).state_dict())
            distance = _distance(names.layout, made, model)
            if not any(distance):
                return family, arch, model
            ranked.append((distance, (family, arch, model)))
    return min(ranked, key=lambda each: each[0])[1]


def _distance(
    layout: Layout,
    made: Mapping[str, Shape | None],
    model: Mapping[str, Shape],
) -> tuple[int, int]:
    """How many tensors differ: those that cannot be adapted, and all."""
    compared = {*made, *model}.difference(lacking(layout, made, model))
    odd = [name for name in compared if made.get(name) != model.get(name)]
    adaptable = sum(
        find_adaptation(layout, name, got, want) is not None
        for name in odd
        if (got := made.get(name)) and (want := model.get(name))
    )
    return len(odd) - adaptable, len(odd)


def _misfit(source: str, family: Family, arch: str, plan: LoadPlan) -> str:
    heading = (
        f'{source} fits no arch of family {family.name!r}; the nearest is '
        f'{arch!r}, with {len(plan.problems)} misfits'
    )
    return '\n  '.join((f'{heading}:', *plan.problems))


def _write(
    tensors: Mapping[str, Tensor], metadata: dict[str, str], path: Path
) -> None:
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as part:
        if path.suffix == '.safetensors':
            save_file(whole, part, metadata)
        else:
            torch.save({k: t.clone() for k, t in whole.items()}, part)
