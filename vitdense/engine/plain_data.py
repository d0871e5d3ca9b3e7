"""Batches and configs as plain data, which is read without running code.

Numbers, strings, tensors and arrays stay as they are. Of the data samples,
boxes and masks of mmengine, mmdet, mmseg and mmpretrain what they hold is
kept, beside the name of their class, which stands in a table here.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement
from torch import Tensor

CLASS = '__class__'
EMPTY = 'an array without values'
DATA_ELEMENTS = {
    'DetDataSample': 'mmdet.structures',
    'SegDataSample': 'mmseg.structures',
    'DataSample': 'mmpretrain.structures',
    'InstanceData': 'mmengine.structures',
    'PixelData': 'mmengine.structures',
}
# Their arguments, which are attributes too.
OTHERS = {
    'HorizontalBoxes': ('mmdet.structures.bbox', ('tensor',)),
    'BitmapMasks': ('mmdet.structures.mask', ('masks', 'height', 'width')),
    'PolygonMasks': ('mmdet.structures.mask', ('masks', 'height', 'width')),
}


def to_plain(value: Any) -> Any:
    """Make plain data of a batch or a config.

    Raises:
        TypeError: If a value in it is of a class that is not known here.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        # a parameter or another subclass of tensors would need its class
        return value.detach().as_subclass(Tensor)
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        return _plain_array(value)
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [to_plain(each) for each in value]
    if isinstance(value, tuple):
        return tuple(to_plain(each) for each in value)
    return _plain_object(value)


def _plain_array(value: Any) -> Any:
    if value.size:
        return value
    # its pickle asks for `bytes`, which torch does not know as data
    return {CLASS: EMPTY, 'shape': value.shape, 'dtype': value.dtype.str}


def _plain_object(value: Any) -> Any:
    name = type(value).__name__
    if isinstance(value, BaseDataElement) and name in DATA_ELEMENTS:
        return {
            CLASS: name,
            'metainfo': to_plain(dict(value.metainfo_items())),
            'data': to_plain(dict(value.items())),
        }
    if name in OTHERS:
        arguments = OTHERS[name][1]
        held = {each: to_plain(getattr(value, each)) for each in arguments}
        return {CLASS: name, **held}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type):
        # as a config names a class
        return f'{value.__module__}.{value.__qualname__}'
    raise TypeError(
        f'a {name} cannot be kept as plain data; choose from '
        f'{sorted({*DATA_ELEMENTS, *OTHERS})}'
    )


def from_plain(value: Any) -> Any:
    """Undo `to_plain`.

    Raises:
        ValueError: If a class is named that is not known here.
    """
    if isinstance(value, list | tuple):
        items = [from_plain(each) for each in value]
        return tuple(items) if isinstance(value, tuple) else items
    if not isinstance(value, dict):
        return value
    name = value.get(CLASS)
    held = {k: from_plain(v) for k, v in value.items() if k != CLASS}
    if name is None:
        return held
    if name == EMPTY:
        return np.empty(held['shape'], held['dtype'])
    if name in DATA_ELEMENTS:
        kind = getattr(import_module(DATA_ELEMENTS[name]), name)
        element = kind(metainfo=held['metainfo'])
        for key, each in held['data'].items():
            setattr(element, key, each)
        return element
    if name in OTHERS:
        module, arguments = OTHERS[name]
        kind = getattr(import_module(module), name)
        return kind(*(held[each] for each in arguments))
    raise ValueError(
        f'the kept batch names a class {name!r}; choose from '
        f'{sorted({*DATA_ELEMENTS, *OTHERS})}'
    )
