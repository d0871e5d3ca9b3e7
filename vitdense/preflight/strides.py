"""Refuses heads that take the levels of a pyramid for others."""

from collections.abc import Iterator
from typing import Any

from torch import nn

Strides = tuple[float, ...]


def check_strides(model: nn.Module) -> None:
    """Hold the strides that a neck declares against its neighbours'.

    mmdet asks nobody: anchors of other strides than the levels' are trained,
    and learn little. Only necks with ``out_strides`` are looked at.

    Args:
        model: A detector.

    Raises:
        ValueError: If the backbone's or a head's strides are not the neck's.
    """
    neck: Any = getattr(model, 'neck', None)
    declared = getattr(neck, 'out_strides', None)
    if not isinstance(declared, tuple):
        return
    name = type(neck).__name__
    given = getattr(getattr(model, 'backbone', None), 'out_strides', None)
    if isinstance(given, tuple) and given[-1:] != (neck.in_stride,):
        raise ValueError(
            f'model.neck.in_stride={neck.in_stride} of {name} does not fit '
            f'model.backbone, whose levels have strides {list(given)}'
        )
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
        taken = getattr(extractor, 'featmap_strides', None)
        if taken is not None:
            yield f'roi_head.{name}.featmap_strides', tuple(taken)
