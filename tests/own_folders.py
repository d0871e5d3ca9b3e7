"""The shapes as a folder of somebody's own data, in each layout."""

import json
import shutil
from pathlib import Path

from vitdense.datasets import shapes


def coco(root: Path, made: Path) -> Path:
    """COCO's layout, with splits."""
    shutil.copytree(made / 'coco', root)
    return root


def yolo(root: Path, made: Path, polygons: bool = False) -> Path:
    """YOLO's layout, without splits; boxes, or polygons of their corners."""
    annotations = made / 'coco/annotations/instances_train2017.json'
    content = json.loads(annotations.read_text())
    for folder in ('images', 'labels'):
        (root / folder).mkdir(parents=True)
    names = ''.join(f'  - {name}\n' for name in shapes.CLASSES)
    (root / 'data.yaml').write_text(f'path: .\nnames:\n{names}')
    for image in content['images']:
        name = image['file_name']
        shutil.copy(made / 'coco/train2017' / name, root / 'images' / name)
        lines = []
        for each in content['annotations']:
            if each['image_id'] == image['id']:
                x, y, w, h = (side / 128 for side in each['bbox'])
                values = [x + w / 2, y + h / 2, w, h]
                if polygons:
                    values = [x, y, x + w, y, x + w, y + h, x, y + h]
                numbers = ' '.join(f'{value:.6f}' for value in values)
                lines.append(f'{each["category_id"] - 1} {numbers}\n')
        label = root / 'labels' / name.replace('.jpg', '.txt')
        label.write_text(''.join(lines))
    return root


def masks(root: Path, made: Path) -> Path:
    """Pictures and label maps, without splits; 0 is no class."""
    ade = made / 'ade20k'
    shutil.copytree(ade / 'images/training', root / 'images')
    shutil.copytree(ade / 'annotations/training', root / 'masks')
    names = '\n'.join(('ground', *shapes.CLASSES))
    (root / 'classes.txt').write_text(names + '\n')
    return root


LAYOUTS = {
    'coco': (coco, 'detection'),
    'yolo': (yolo, 'detection'),
    'masks': (masks, 'segmentation'),
}
OPTIONS = ('--backbone', 'pvt-v2-b0', '--memory-gb', '2')


def ask(layout: str, data: Path, project: Path) -> list[object]:
    """Arguments of tools/new_project.py for a folder of this layout."""
    task = LAYOUTS[layout][1]
    more = ['--reduce-zero-label'] * (layout == 'masks')
    given = [project, '--task', task, '--data', data]
    return [*given, *OPTIONS, *more]
