"""What a model can take, and give, to predict."""

from collections.abc import Callable
from typing import Any

import cv2
from mmengine.dataset import pseudo_collate
from torch import nn


def refuse_panoptic(model: nn.Module) -> None:
    """See that a model gives objects or a label map.

    Args:
        model: A detector or segmentor.

    Raises:
        ValueError: If it gives segments of a panoptic picture alone.
    """
    settings = getattr(model, 'test_cfg', None) or {}
    if hasattr(model, 'panoptic_fusion_head') and not settings.get(
        'instance_on'
    ):
        raise ValueError(
            f'{type(model).__name__} gives panoptic segments, which are not '
            'taken; MaskFormer and Mask2Former give objects with '
            'model.test_cfg.instance_on=True'
        )


def coarsest_stride(model: nn.Module) -> int:
    """Of the backbone's levels, in pixels; 1 where it declares none.

    Args:
        model: A detector or segmentor.
    """
    backbone = getattr(model, 'backbone', None)
    return int(max(getattr(backbone, 'out_strides', (1,))))


def too_small(
    model: nn.Module, prepare: Callable[[], Any], size: tuple[int, ...]
) -> str:
    """Why pictures of a size cannot be taken; empty if they can.

    Args:
        model: A detector or segmentor.
        prepare: Makes its input of one, by the test pipeline.
        size: Height and width, in pixels.
    """
    told = f'{size[0]} x {size[1]} pixels are too small'
    try:
        batch = pseudo_collate([prepare()])
    except cv2.error:  # a side that is shrunk to nothing
        return f'{told}: the test pipeline leaves nothing of a side'
    images = model.data_preprocessor(batch)['inputs']  # type: ignore[operator]
    height, width = images.shape[-2:]
    least = getattr(getattr(model, 'backbone', None), 'min_size', 1)
    if min(height, width) < least:
        return (
            f'{told}: the backbone gets {height} x {width}, and needs at '
            f'least {least} x {least}'
        )
    return ''
