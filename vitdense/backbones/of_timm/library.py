"""Asks timm for models, and says in one line what it does not have."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn


def the_library() -> Any:
    """The module ``timm``.

    Raises:
        ValueError: If it, or what it needs, is not installed.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ValueError(
            f'Timm: backbones of timm need {error.name}, which is not '
            'installed; vitdense has it as the extra timm: pip install -e '
            '.[timm], in its folder'
        ) from None
    return timm


def build(
    arch: str, settings: Mapping[str, Any], *, features: bool = False
) -> Any:
    """A model of timm with random weights.

    Args:
        arch: Its name.
        settings: What its constructor gets.
        features: Whether it gives the levels asked for, in place of classes.

    Raises:
        ValueError: If there is no such model, it has no features, or it
            refuses the settings.
    """
    timm = the_library()
    if not isinstance(arch, str) or not timm.is_model(arch):
        close = difflib.get_close_matches(str(arch), timm.list_models(), n=3)
        raise ValueError(
            f'Timm: timm has no model {arch!r}'
            + (f'; the closest are {close}' if close else '')
        )
    only = {'features_only': True} if features else {}
    try:
        made: nn.Module = timm.create_model(arch, **only, **settings)
    except (
        AssertionError,
        AttributeError,
        IndexError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f'Timm: {arch} of timm{" as features" * features} refuses '
            f'{dict(settings)}: {error}'
        ) from error
    return made
