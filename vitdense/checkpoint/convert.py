"""Rewrites a checkpoint under vitdense's names, or under the official ones."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from vitdense import __version__
from vitdense.backbones.family import Family
from vitdense.backbones.pyramid import PyramidBackbone

from .errors import CheckpointError, named
from .load import Fit, check_fit, open_source, shapes
from .matching.common import OFFICIAL, UNUSED
from .matching.recognise import recognise
from .matching.rules import Layout
from .reading.digest import TENSORS_SHA256, digest_tensors
from .reading.source import locate
from .report import LoadReport
from .whole_file import whole_file

SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin')


def convert_checkpoint(
    source: str,
    destination: Path,
    backbones: Sequence[type[PyramidBackbone]],
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
        backbones: Classes of the families that it may be of.
        to: Whose names to write.
        sha256: Digest that the source must have.

    Raises:
        CheckpointError: If the source cannot be read or fits no arch, or the
            destination cannot be written.
    """
    if destination.suffix not in SUFFIXES:
        raise CheckpointError(
            f'{destination}: the name must end in one of {", ".join(SUFFIXES)}'
        )
    if destination.exists():
        raise CheckpointError(f'{destination} exists; it was not overwritten')
    if not destination.parent.is_dir():
        raise CheckpointError(f'{destination.parent} is not a directory')
    path = locate(source, sha256)
    family, arch, fit = _find_arch(path, source, backbones)
    tensors = fit.plan.build(fit.found.tensors, adapt=False)
    aside = _classifier(fit)
    if to == 'official':
        tensors = to_official(family, tensors, aside)
    else:
        tensors.update({UNUSED + n: t for n, t in aside.items()})
    metadata = {
        'format': 'pt',
        'layout': to,
        'family': family.name,
        'arch': arch,
        'source': Path(source).name if Path(source).exists() else source,
        'source_layout': fit.report.layout,
        'source_sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
        'written_by': f'vitdense {__version__}',
        TENSORS_SHA256: digest_tensors(tensors),
    }
    _write(tensors, metadata, destination)
    return replace(fit.report, adapted=())


def _find_arch(
    path: Path, source: str, backbones: Sequence[type[PyramidBackbone]]
) -> tuple[Family, str, Fit]:
    """The family and arch of a file, and how it fits them."""
    found = open_source(path, source)
    owners = {layout: b for b in backbones for layout in b.family.layouts}
    with named(source):
        backbone = owners[recognise(found.tensors, owners)]
    family = backbone.family
    misfits: dict[str, tuple[str, ...]] = {}
    for arch in family.archs:
        with torch.device('meta'):
            model = shapes(backbone(arch).state_dict())
        fit = check_fit(found, source, family, model)
        if not fit.problems:
            return family, arch, fit
        misfits[arch] = fit.problems
    nearest = min(misfits, key=lambda arch: len(misfits[arch]))
    raise CheckpointError(
        f'{source} fits no arch of family {family.name!r}; the nearest is '
        f'{nearest!r}, with {len(misfits[nearest])} misfits:\n  '
        + '\n  '.join(misfits[nearest])
    )


def _classifier(fit: Fit) -> dict[str, Tensor]:
    """What the official file holds for a classifier, by official names."""
    prefix = fit.plan.layout.unused
    if prefix is None:
        return {}
    aside = {
        name.removeprefix(prefix): fit.found.tensors[name]
        for name in fit.plan.dropped
    }
    for piece in (p for pieces in fit.plan.pieces.values() for p in pieces):
        if piece.rule.class_tokens:
            whole = fit.found.tensors[piece.source]
            aside[piece.source] = whole[:, : piece.rule.class_tokens]
    return aside


def to_official(
    family: Family, tensors: Mapping[str, Tensor], aside: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Tensors under vitdense's names to those of the official file.

    Args:
        family: The family of the weights.
        tensors: A backbone's tensors.
        aside: What the official file holds beyond them, by official names.
            The class token's part of a position embedding is zero without.

    Raises:
        CheckpointError: If no official layout holds these tensors.
    """
    layout = _official_layout(family, tensors)
    blocks: dict[str, dict[int, Tensor]] = {}
    for target, tensor in tensors.items():
        for name, block, slot in layout.sources(target):
            rows = tensor
            if slot.count > 1:
                rows = tensor.chunk(slot.count)[slot.index]
            blocks.setdefault(name, {})[block] = rows
    official = {}
    for name, parts in blocks.items():
        tensor = parts[0]
        if len(parts) > 1:
            tensor = torch.cat([parts[block] for block in sorted(parts)])
        found = layout.find(name)
        tokens = found[0].class_tokens if found else 0
        if tokens:
            none = tensor.new_zeros(1, tokens, tensor.shape[2])
            tensor = torch.cat([aside.get(name, none), tensor], dim=1)
        official[name] = tensor
    dropped = set(layout.dropped_names())
    return official | {n: t for n, t in aside.items() if n in dropped}


def _official_layout(family: Family, names: Iterable[str]) -> Layout:
    """The official layout that has all the names, and the least beside."""
    targets = set(names)
    fitting = [
        layout
        for layout in family.layouts
        if layout.unused == OFFICIAL
        and all(layout.sources(name) for name in targets)
    ]
    if not fitting:
        raise CheckpointError(
            f'no official layout of family {family.name!r} holds these tensors'
        )
    return min(fitting, key=lambda layout: layout.count_unmet(targets))


def _write(
    tensors: Mapping[str, Tensor], metadata: dict[str, str], path: Path
) -> None:
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as part:
        if path.suffix == '.safetensors':
            save_file(whole, part, metadata)
        else:
            torch.save({k: t.clone() for k, t in whole.items()}, part)
