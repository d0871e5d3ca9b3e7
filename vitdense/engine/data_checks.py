"""Refuses data sets that are not there, or not what the config says."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from PIL import Image
from torch import nn

from vitdense.datasets.shapes import ensure_shapes
from vitdense.engine.coco_file import (
    check_images,
    check_labels,
    read_coco,
    smallest_image,
)
from vitdense.engine.config import evaluators, leaf_datasets

# Reading all 20,210 label maps of ADE20K takes minutes; these take seconds.
MAX_LABEL_MAPS = 500


def check_data(
    cfg: Config, splits: Sequence[str], model: nn.Module
) -> tuple[str, ...]:
    """See that the data sets and evaluators of some splits can be used.

    Args:
        cfg: The config.
        splits: Some of 'train', 'val', 'test'.
        model: What the data is for.

    Returns:
        The names of the classes.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If a folder is empty, the annotations are not what the
            config says, or an image is too small for the backbone.
    """
    classes: tuple[str, ...] = ()
    for split in splits:
        for place, settings in leaf_datasets(cfg, split).items():
            if settings.type.startswith('vitdense.Shapes'):
                ensure_shapes(settings.data_root)
            _check_folders(place, settings)
            # Built without reading any annotations yet.
            dataset = DATASETS.build({**settings, 'lazy_init': True})
            classes = tuple(dataset.metainfo.get('classes') or ())
            if hasattr(dataset, 'COCOAPI'):
                sample = _check_coco(place, dataset, classes)
                _check_size(place, dataset, sample, model)
            elif 'seg_map_path' in dataset.data_prefix:
                sample = _check_label_maps(place, dataset, len(classes))
                _check_size(place, dataset, sample, model)
        for evaluator in evaluators(cfg, split):
            if evaluator.get('ann_file'):
                read_coco(
                    f'{split}_evaluator.ann_file',
                    evaluator['ann_file'],
                    labelled=not evaluator.get('format_only'),
                )
    return classes


def _check_folders(place: str, settings: Any) -> None:
    root = settings.get('data_root') or ''
    folders = {f'{place}.data_root': Path(root)} if root else {}
    for key, name in (settings.get('data_prefix') or {}).items():
        folders[f'{place}.data_prefix.{key}'] = Path(root, name)
    for key, folder in folders.items():
        if not folder.is_dir():
            raise FileNotFoundError(f'{key}: no folder {str(folder)!r}')
        if next(folder.iterdir(), None) is None:
            raise ValueError(f'{key}: the folder {str(folder)!r} is empty')


def _check_coco(
    place: str, dataset: Any, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Give the smallest image, as its pipeline takes it."""
    key = f'{place}.ann_file'
    content = read_coco(key, dataset.ann_file, labelled=not dataset.test_mode)
    check_labels(key, dataset.ann_file, content, classes)
    folder = dataset.data_prefix['img']
    check_images(key, dataset.ann_file, content, folder)
    least = (dataset.filter_cfg or {}).get('min_size', 0)
    image = smallest_image(content, least)
    path = str(Path(folder, image['file_name']))
    return {**image, 'img_path': path, 'img_id': image['id'], 'instances': []}


def _check_label_maps(
    place: str, dataset: Any, num_classes: int
) -> dict[str, Any]:
    """Give the first image, as its pipeline takes it."""
    pairs: list[dict[str, Any]] = dataset.load_data_list()
    if not pairs:
        raise ValueError(
            f'{place}: no picture {dataset.img_suffix!r} in '
            f'{dataset.data_prefix["img_path"]!r}'
        )
    for pair in pairs:
        for path in (pair['img_path'], pair['seg_map_path']):
            if not Path(path).is_file():
                raise FileNotFoundError(f'{place}: no file {path!r}')
    # Label 0 means "unlabelled" if the zero is reduced, else the first class.
    first = 1 if dataset.reduce_zero_label else 0
    old = dataset.label_map
    last = (len(old) if old else num_classes) - 1 + first
    every = -(-len(pairs) // MAX_LABEL_MAPS)
    checked = pairs[::every]
    for pair in checked:
        path = pair['seg_map_path']
        labels = np.asarray(Image.open(path))
        if labels.ndim != 2:
            raise ValueError(
                f'{place}: {path!r} has {labels.shape[-1]} channels; a label '
                'map has one'
            )
        wrong = labels[(labels > last) & (labels != dataset.ignore_index)]
        if wrong.size:
            raise ValueError(
                f'{place}: {path!r} has label {wrong.max()}, outside the '
                f'classes; choose from 0..{last} and {dataset.ignore_index} '
                f'(reduce_zero_label={dataset.reduce_zero_label})'
            )
    print_log(
        f'{place}: the labels of {len(checked)} of {len(pairs)} pictures '
        'are within the classes',
        level=logging.INFO,
    )
    return pairs[0]


def _check_size(
    place: str, dataset: Any, sample: dict[str, Any], model: nn.Module
) -> None:
    """See that an image is large enough when it reaches the backbone."""
    least = getattr(model.get_submodule('backbone'), 'min_size', None)
    packed = dataset.pipeline(dict(sample))
    # None: an augmentation found nothing to keep, and would try another image
    if not isinstance(least, int) or packed is None:
        return
    batch = model.get_submodule('data_preprocessor')(
        {name: [value] for name, value in packed.items()},
        training=place.startswith('train_'),
    )
    height, width = batch['inputs'].shape[-2:]
    if min(height, width) < least:
        raise ValueError(
            f'{place}: {sample["img_path"]!r} reaches the backbone as '
            f'{height} x {width} pixels; it needs at least {least} x {least}'
        )
