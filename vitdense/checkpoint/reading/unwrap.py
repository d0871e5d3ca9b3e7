"""Finds the backbone's tensors in what a file holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..base import BASE_SHA256
from ..errors import CheckpointError

# In order of preference: the averaged weights are the published ones.
CONTAINERS = ('state_dict_ema', 'state_dict', 'model')
WRAPPER = 'module.'
BACKBONE = 'backbone.'


@dataclass
class BackboneTensors:
    """A backbone's tensors by name, and how a file held them.

    Attributes:
        tensors: The tensors, by names without prefixes.
        outside: Names of a detector's or segmentor's other tensors.
        notes: The choices made.
    """

    tensors: Mapping[str, Tensor]
    outside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def unwrap(content: Any) -> BackboneTensors:
    """Open containers and strip prefixes until the names are a backbone's.

    Args:
        content: What the file held.

    Raises:
        CheckpointError: If there is no state dict in it.
    """
    notes: list[str] = []
    tensors = _open(content, notes)
    found = BackboneTensors(tensors, notes=notes)
    _strip_wrapper(found)
    if any(name.startswith(BACKBONE) for name in found.tensors):
        found.outside = [
            n for n in found.tensors if not n.startswith(BACKBONE)
        ]
        found.tensors = {
            name.removeprefix(BACKBONE): tensor
            for name, tensor in found.tensors.items()
            if name.startswith(BACKBONE)
        }
        notes.append(f"took the tensors under '{BACKBONE}'")
        _strip_wrapper(found)
    if BASE_SHA256 in found.tensors:
        raise CheckpointError(
            'it holds what was trained and leaves out the rest of the '
            'backbone; with default_hooks.checkpoint.save_base=True files '
            'are whole'
        )
    return found


def _open(content: Any, notes: list[str]) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(
            f'it holds no state dict but {_describe(content)}'
        )
    there = [
        key
        for key in CONTAINERS
        if isinstance(content.get(key), Mapping) and content[key]
    ]
    if there:
        others = f' (also there: {", ".join(there[1:])})' if there[1:] else ''
        notes.append(f"took '{there[0]}'{others}")
        return _open(content[there[0]], notes)
    odd = [
        f'{name} ({type(value).__name__})'
        for name, value in content.items()
        if not isinstance(value, Tensor) or not isinstance(name, str)
    ]
    if odd:
        raise CheckpointError(
            'it holds no state dict: neither '
            f'{", ".join(CONTAINERS)} nor tensors alone, but also '
            f'{", ".join(odd[:8])}'
        )
    return dict(content)


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return 'an empty mapping'
    return f'a {type(content).__name__}'


def _strip_wrapper(found: BackboneTensors) -> None:
    if any(name.startswith(WRAPPER) for name in found.tensors):
        found.tensors = {
            name.removeprefix(WRAPPER): tensor
            for name, tensor in found.tensors.items()
        }
        found.notes.append(f"stripped '{WRAPPER}'")
