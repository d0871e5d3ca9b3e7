"""Begins a training from a checkpoint of other classes.

Which tensors depend on the classes, and how, is told by building the model
without its backbone twice: for the checkpoint's number of classes, and for
one more.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from torch import Tensor, nn

from vitdense.checkpoint.load import shapes_of, with_own_backbone
from vitdense.checkpoint.matching.classes import (
    ClassMatch,
    ClassTensor,
    class_tensors,
)
from vitdense.preflight.classes import class_heads, set_num_classes
from vitdense.preflight.model import check_shapes, whole_weights

HELD_OPTION = '--classes-of-checkpoint'


@dataclass
class Beginning:
    """The weights that a training begins with.

    Attributes:
        weights: A tensor for each of the model.
        summary: What was taken, in a few words; nothing if all was.
        lines: What became of each tensor, for the log.
    """

    weights: dict[str, Tensor]
    summary: str = ''
    lines: list[str] = field(default_factory=list)


def begin_from(
    model: nn.Module,
    settings: Mapping[str, Any],
    source: str,
    content: Mapping[str, Any],
    classes: Sequence[str],
    classes_file: str | None = None,
) -> Beginning:
    """Fit a checkpoint to a model of other classes, or of the same.

    What does not depend on the classes is taken exactly. Of what does, the
    rows of classes of the same name are, in the model's order, and those of
    no class, such as the background's; all others stay as initialised.

    Args:
        model: The model, with its initial weights.
        settings: What it is built from.
        source: What messages call the checkpoint.
        content: What the checkpoint holds.
        classes: The data set's classes; none take all as it is.
        classes_file: Where the checkpoint's classes are, if not in it.

    Raises:
        ValueError: If the checkpoint is not of this architecture, tells no
            classes where they are needed, or names of classes are no names.
        FileNotFoundError: If there is no ``classes_file``.
    """
    own = model.state_dict()
    weights = whole_weights(model, source, content)
    held = with_own_backbone(model, weights, source)
    names = classes_held(source, content, classes_file)
    if names is None or not classes:
        return _begin_unnamed(own, source, held, bool(classes))
    if tuple(names) == tuple(classes):
        check_shapes(shapes_of(own), source, shapes_of(held))
        return Beginning(held)
    match = ClassMatch.of(
        names,
        classes,
        classes_file or f'the classes of {source!r}',
        'the classes of train_dataloader',
    )
    found = _dependent(settings, len(names))
    if not found:
        raise ValueError(
            f'{source!r} has other classes than the data set, and no tensor '
            'of the model is known to depend on its num_classes'
        )
    expected = shapes_of(own)
    for name, tensor in found.items():
        # mmseg's head of one channel for two classes has no row for each
        rowless = tensor.shape_at(len(classes)) != expected[name]
        if not (
            rowless and name in held and held[name].shape == own[name].shape
        ):
            expected[name] = tensor.shape
    check_shapes(
        expected,
        source,
        shapes_of(held),
        f', built for its {len(names)} classes',
    )
    return _fitted(own, held, found, match)


def classes_held(
    source: str, content: Mapping[str, Any], classes_file: str | None
) -> list[str] | None:
    """The names of a checkpoint's classes; None if nothing tells them.

    Args:
        source: What messages call the checkpoint.
        content: What it holds.
        classes_file: A text file with a name on each line, which goes before
            what the checkpoint says.

    Raises:
        FileNotFoundError: If there is no ``classes_file``.
        ValueError: If one holds no names.
    """
    if classes_file is not None:
        path = Path(classes_file)
        if not path.is_file():
            raise FileNotFoundError(f'{HELD_OPTION}: no file {classes_file!r}')
        try:
            lines = path.read_text(encoding='utf-8').splitlines()
        except UnicodeDecodeError:
            lines = []
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise ValueError(
                f'{HELD_OPTION}: {classes_file!r} has no names; it takes a '
                'text file with the name of a class on each line'
            )
        return names
    meta = content.get('meta')
    told = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
    held = told.get('classes') if isinstance(told, Mapping) else None
    if not held:
        return None
    if not isinstance(held, list | tuple) or not all(
        isinstance(name, str) for name in held
    ):
        raise ValueError(
            f'{source!r}: its dataset_meta.classes are no names but '
            f'{held!r:.60}; {HELD_OPTION} FILE takes a text file with the '
            'name of a class on each line'
        )
    return list(held)


def _begin_unnamed(
    own: Mapping[str, Tensor],
    source: str,
    held: dict[str, Tensor],
    classes_matter: bool,
) -> Beginning:
    """Take all as it is, where nothing tells of the classes."""
    try:
        check_shapes(shapes_of(own), source, shapes_of(held))
    except ValueError as error:
        if not classes_matter or held.keys() != own.keys():
            raise
        raise ValueError(
            f'{error}; if it is of other classes: it has no dataset_meta, so '
            f'{HELD_OPTION} FILE has to name them, one on each line'
        ) from None
    if not classes_matter:
        return Beginning(held)
    return Beginning(
        held,
        'taken as it is',
        [
            f'{source}: it names no classes (no dataset_meta); they are taken '
            f"to be the data set's, in its order; {HELD_OPTION} FILE tells"
        ],
    )


def _dependent(
    settings: Mapping[str, Any], classes: int
) -> dict[str, ClassTensor]:
    """A model's tensors that depend on the classes, at a number of them."""
    fewer = _build_heads(settings, classes)
    more = _build_heads(settings, classes + 1)
    return class_tensors(
        shapes_of(fewer.state_dict()),
        shapes_of(more.state_dict()),
        classes,
        _priors(fewer),
    )


def _build_heads(settings: Mapping[str, Any], classes: int) -> nn.Module:
    """The model for a number of classes, without the backbone: it knows of
    none. Not on the meta device, where some heads cannot be built."""
    wanted = ConfigDict(copy.deepcopy(dict(settings)))
    if 'backbone' in wanted:
        wanted['backbone'] = {'type': nn.Identity}
    for head in class_heads(wanted):
        set_num_classes(head, classes)
    with torch.random.fork_rng(devices=[]):
        built: nn.Module = MODELS.build(wanted)
    return built


def _priors(model: nn.Module) -> dict[str, Collection[int]]:
    """For tensors of heads with priors: how many a place may have."""
    found: dict[str, Collection[int]] = {}
    for prefix, module in model.named_modules():
        generator = getattr(module, 'prior_generator', None)
        if generator is not None:
            counts = set(generator.num_base_priors)
            found |= {
                f'{prefix}.{name}'.lstrip('.'): counts
                for name in module.state_dict()
            }
    return found


def _fitted(
    own: Mapping[str, Tensor],
    held: Mapping[str, Tensor],
    found: Mapping[str, ClassTensor],
    match: ClassMatch,
) -> Beginning:
    kept, new = (', '.join(each) or 'none' for each in (match.kept, match.new))
    weights, lines = {}, [f'classes kept: {kept}; new: {new}']
    for name, initial in own.items():
        tensor = found.get(name)
        if tensor is None:
            weights[name] = held[name]
            lines.append(f'{name}: exact')
            continue
        change = f'{name} {tuple(held[name].shape)} to {tuple(initial.shape)}'
        if tensor.shape_at(len(match.wanted)) != tuple(initial.shape) or (
            held[name].shape != tensor.shape
        ):
            weights[name] = initial
            lines.append(f'{change}: as initialised; no row for each class')
        elif tensor.axes is None:
            weights[name] = initial
            lines.append(
                f'{change}: as initialised; which rows are of which class is '
                'not known'
            )
        else:
            weights[name] = tensor.fit(held[name], initial.cpu(), match)
            lines.append(
                f'{change}: rows kept of {kept}'
                + ' and of no class' * any(a.extra for a in tensor.axes)
                + f'; as initialised: {new}'
            )
    summary = (
        f'{len(match.kept)} of {len(match.held)} classes kept'
        + f', {len(match.new)} new ({new})' * bool(match.new)
    )
    return Beginning(weights, summary, lines)
