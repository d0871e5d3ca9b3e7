"""What a model can take, and give, to predict."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from mmengine.dataset import pseudo_collate
from torch import nn


def things_of(model: nn.Module) -> int | None:
    """How many classes are of things, of a model that gives segments of
    things and stuff; None of others.

    Args:
        model: A detector or segmentor.
    """
    settings = getattr(model, 'test_cfg', None) or {}
    fusion = getattr(model, 'panoptic_fusion_head', None)
    # as mmdet's MaskFormer, which gives objects too, or alone, if asked to
    if fusion is None or not settings.get('panoptic_on', True):
        return None
    return int(fusion.num_things_classes)


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


def check_array(number: int, picture: npt.NDArray[Any]) -> None:
    """See that an array is a picture.

    Args:
        number: Its place among those given, from 0 on.
        picture: The array.

    Raises:
        ValueError: If it is none.
    """
    if (
        picture.dtype != np.uint8
        or picture.ndim != 3
        or picture.shape[2] != 3
        or not picture.size
    ):
        raise ValueError(
            f'picture {number} is {picture.dtype} of shape {picture.shape}; '
            'uint8 of shape (H, W, 3) is taken'
        )
