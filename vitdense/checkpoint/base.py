"""Weights that leave out a base: what a backbone's ``tune`` does not train.

In its place stands its digest, a tensor among the others. So whatever loads
such weights into a backbone meets it, and the base that the backbone has is
held to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .errors import CheckpointError
from .reading.digest import digest_tensors

BASE_SHA256 = 'base_sha256'


def leaves_base_out(state: Mapping[str, Tensor]) -> bool:
    """Whether weights, by name, leave out a base."""
    return any(name.rpartition('.')[2] == BASE_SHA256 for name in state)


def tuned(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The backbones in a model that tell their base, by prefixes of names."""
    for name, part in model.named_modules():
        if hasattr(part, 'base_names'):
            yield f'{name}.' if name else '', part


def leave_out_bases(
    model: nn.Module, state: dict[str, Tensor], digests: dict[str, str]
) -> None:
    """Take bases out of weights, and put their digests there.

    Only those that are as the ``init_cfg`` of their backbone loads them.

    Args:
        model: The model.
        state: Its weights by name; changed in place.
        digests: Of bases by prefix, which do not change in a training; what
            is missing is added.
    """
    for prefix, backbone in tuned(model):
        base = backbone.base_names()
        if not base or not backbone.base_loaded:
            continue
        if prefix not in digests:
            digests[prefix] = digest_base(backbone.state_dict(), base)
        for name in base:
            del state[prefix + name]
        digest = bytearray.fromhex(digests[prefix])
        state[prefix + BASE_SHA256] = torch.frombuffer(
            digest, dtype=torch.uint8
        )


def fill_in(
    state: dict[str, Tensor],
    prefix: str,
    own: Mapping[str, Tensor],
    base: Mapping[str, str],
) -> None:
    """Put the base that a backbone has into weights that leave one out.

    Args:
        state: A model's weights by name; changed in place, if they do.
        prefix: Of the backbone's names in it.
        own: The backbone's tensors by name.
        base: Those of them that a base may have, with their plain names.

    Raises:
        CheckpointError: If it is another base.
    """
    stated = state.pop(prefix + BASE_SHA256, None)
    if stated is None:
        return
    absent = {n: plain for n, plain in base.items() if prefix + n not in state}
    found, wanted = digest_base(own, absent), bytes(stated.tolist()).hex()
    if found != wanted:
        raise CheckpointError(
            'it holds what was trained and leaves out a base, of sha256 '
            f'{wanted[:16]}...; the model has none or another, of '
            f'{found[:16]}...: load the same first, by the init_cfg of the '
            'backbone, as tools/train.py and tools/test.py do; with '
            'default_hooks.checkpoint.save_base=True files are whole'
        )
    state.update({prefix + name: own[name] for name in absent})


def digest_base(own: Mapping[str, Tensor], base: Mapping[str, str]) -> str:
    """sha256 of a base.

    Args:
        own: A backbone's tensors by name.
        base: Names of the base's, with their plain names.
    """
    return digest_tensors({p: _whole(own[n]) for n, p in base.items()})


def same(one: Tensor, other: Tensor) -> bool:
    """Whether tensors are equal; those that processes have in parts are not
    compared, but taken to differ."""
    if hasattr(one, 'to_local') or one.is_meta:
        return False
    return one is other or torch.equal(one, other.to(one.device))


def _whole(tensor: Tensor) -> Tensor:
    """All of a tensor, of which processes may have parts."""
    whole: Tensor = getattr(tensor, 'full_tensor', lambda: tensor)()
    return whole
