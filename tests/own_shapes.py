"""The shapes as somebody's own data: some of the classes, in another order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from small_runs import SEGMENTER

from vitdense.datasets import shapes


def write_own(root: Path, shapes_root: Path, names: Mapping[str, str]) -> Path:
    """Write annotations of pictures of the shapes, in both layouts.

    Args:
        root: Where to; pictures are linked there.
        shapes_root: The shapes data set.
        names: Own names of its classes, in the own order; for segmentation
            'ground' may be among them. The classes left out are not labelled.
    """
    own = [name for name in names if name != 'ground']
    for split, ade_split in shapes.SPLITS.items():
        coco = shapes_root / 'coco'
        _write_instances(
            root / f'{split}.json',
            json.loads(
                (coco / f'annotations/instances_{split}.json').read_text()
            ),
            {name: names[name] for name in own},
        )
        (root / split).symlink_to((coco / split).resolve())
        labels = root / f'{split}_labels'
        labels.mkdir()
        table = np.zeros(256, np.uint8)
        for number, name in enumerate(names, 1):
            table[('ground', *shapes.CLASSES).index(name) + 1] = number
        ade = shapes_root / 'ade20k' / 'annotations' / ade_split
        for path in ade.iterdir():
            shown = table[cv2.imread(str(path), cv2.IMREAD_UNCHANGED)]
            cv2.imwrite(str(labels / path.name), shown)
    return root


def _write_instances(
    path: Path, content: dict[str, Any], names: Mapping[str, str]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = {
        shapes.CLASSES.index(name) + 1: number
        for number, name in enumerate(names, 1)
    }
    content['categories'] = [
        {'id': number, 'name': own}
        for number, own in enumerate(names.values(), 1)
    ]
    content['annotations'] = [
        {**each, 'category_id': numbers[each['category_id']]}
        for each in content['annotations']
        if each['category_id'] in numbers
    ]
    path.write_text(json.dumps(content))


def own_config(path: Path, data: Path, base: Path, *names: str) -> Path:
    """Write a config that trains on such data, but for its heads."""
    if base == SEGMENTER:
        places = 'img_path="{0}", seg_map_path="{0}_labels"'
        kind = 'BaseSegDataset'
    else:
        places, kind = 'img="{0}"', 'CocoDataset'
    lines = [f"_base_ = '{base}'", f'own = dict(classes={names!r})']
    for loader, split in (
        ('train', 'train2017'),
        ('val', 'val2017'),
        ('test', 'val2017'),
    ):
        given = '' if base == SEGMENTER else f'ann_file="{split}.json", '
        lines.append(
            f'{loader}_dataloader = dict(num_workers=0, '
            f'persistent_workers=False, dataset=dict(type="{kind}", '
            f'data_root="{data}/", metainfo=own, {given}'
            f'data_prefix=dict({places.format(split)})))'
        )
        if base != SEGMENTER and loader != 'train':
            lines.append(
                f'{loader}_evaluator = dict(ann_file="{data}/{split}.json")'
            )
    path.write_text('\n'.join(lines) + '\n')
    return path
