"""Refuses heads that take the levels of a pyramid for others."""

from collections.abc import Iterator
from typing import Any

from torch import nn

Strides = tuple[float, ...]


def check_strides(model: nn.Module) -> None:
    """Hold the strides that a neck declares against its neighbours'.

    mmdet asks nobody: anchors of other strides than the levels' are trained,
    and learn little. Only necks with ``out_strides`` are looked at; of
    several in a row the first, and there the backbone alone.

    Args:
        model: A detector.

    Raises:
        ValueError: If the backbone's or a head's strides are not the neck's.
    """
    neck: Any = getattr(model, 'neck', None)
    several = isinstance(neck, nn.Sequential)
    first: Any = neck[0] if several else neck
    declared = getattr(first, 'out_strides', None)
    if not isinstance(declared, tuple):
        return
    name = type(first).__name__
    given = getattr(getattr(model, 'backbone', None), 'out_strides', None)
    if isinstance(given, tuple) and given[-1:] != (first.in_stride,):
        raise ValueError(
            f'model.neck{".0" * several}.in_stride={first.in_stride} of '
            f'{name} does not fit model.backbone, whose levels have strides '
            f'{list(given)}'
        )
    if several:  # of what follows, nothing tells the strides
        return
    for place, strides in _consumers(model):
        if strides != declared[: len(strides)] or (
            place.endswith('anchor_generator.strides')
            and len(strides) != len(declared)
        ):
            raise ValueError(
                f'model.{place}={list(strides)} does not fit model.neck '
                f'({name}), whose levels have strides {list(declared)}'
            )


def _consumers(model: Any) -> Iterator[tuple[str, Strides]]:
    """Strides that heads take a neck's levels to have, and their places."""
    for name in ('rpn_head', 'bbox_head'):
        generator = getattr(
            getattr(model, name, None), 'prior_generator', None
        )
        if generator is not None:
            strides = tuple(stride[0] for stride in generator.strides)
            yield f'{name}.anchor_generator.strides', strides
    heads = getattr(model, 'roi_head', None)
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        extractor = getattr(heads, name, None)
        # a cascade has one for each stage, of one setting
        if isinstance(extractor, nn.ModuleList):
            extractor = extractor[0]
        taken = getattr(extractor, 'featmap_strides', None)
        if taken is not None:
            yield f'roi_head.{name}.featmap_strides', tuple(taken)
