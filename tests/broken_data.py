"""Small data sets on disk, and one way to break them for each finding."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from vitdense.datasets.audit.label_maps import LabelRule
from vitdense.datasets.audit.sets import AnySet, CocoSet, LabelSet, Pair

HEIGHT, WIDTH = 40, 60
# pictures of each split
NUMBERS = {'train': [1, 2, 3], 'val': [11, 12]}
Content = dict[str, Any]
Break = Callable[[Path, Content], object]


def picture(path: Path, seed: int) -> None:
    """Write a picture unlike those of other seeds."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 9, 3))
    shape = (WIDTH, HEIGHT)
    large = cv2.resize(cells.astype(np.uint8), shape, interpolation=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), large)


def turn(path: Path, orientation: int) -> None:
    """Save a picture with an EXIF orientation."""
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)


def resize(path: Path, width: int, height: int) -> None:
    """Save a picture, or a label map, in another size."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), cv2.resize(pixels, (width, height)))


def cut(path: Path) -> None:
    """Leave half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def rectangle(x: int, y: int, width: int, height: int) -> list[int]:
    """A polygon."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def annotation(number: int, image: int, x: int, y: int) -> Content:
    """A cup of 20 x 10 pixels."""
    return {
        'id': number,
        'image_id': image,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [x, y, 20, 10],
        'area': 200,
        'segmentation': [rectangle(x, y, 20, 10)],
    }


def content(numbers: list[int]) -> Content:
    """An annotation file without faults; its last annotation is a crowd."""
    annotations = [
        annotation(2 * number - 1 + more, number, 5 + 20 * more, 8)
        for number in numbers
        for more in (0, 1)
    ]
    pixels = HEIGHT * WIDTH
    annotations.append(
        {
            **annotation(99, numbers[-1], 0, 0),
            'iscrowd': 1,
            'bbox': [0, 0, 10, HEIGHT],
            'area': 10 * HEIGHT,
            'segmentation': {
                'size': [HEIGHT, WIDTH],
                'counts': [0, 10 * HEIGHT, pixels - 10 * HEIGHT],
            },
        }
    )
    return {
        'info': {'year': 2026},
        'images': [
            {
                'id': number,
                'file_name': f'{number}.jpg',
                'height': HEIGHT,
                'width': WIDTH,
            }
            for number in numbers
        ],
        'categories': [{'id': 1, 'name': 'cup'}, {'id': 2, 'name': 'plate'}],
        'annotations': annotations,
    }


def make_coco(root: Path, change: Break | None = None) -> None:
    """Write a data set; ``change`` gets its folder and train's content.

    Train's folder has a picture, 4.jpg, that is not listed.
    """
    (root / 'annotations').mkdir(parents=True)
    for split, numbers in NUMBERS.items():
        for number in numbers:
            picture(root / split / f'{number}.jpg', number)
    picture(root / 'train/4.jpg', 4)
    said = {split: content(numbers) for split, numbers in NUMBERS.items()}
    if change is not None:
        change(root, said['train'])
    for split, each in said.items():
        (root / f'annotations/{split}.json').write_text(json.dumps(each))


def open_coco(root: Path) -> list[AnySet]:
    """The data set as the tool opens it."""
    return [
        CocoSet(
            place=split,
            splits=(split,),
            file=root / f'annotations/{split}.json',
            folder=root / split,
            content=json.loads(
                (root / f'annotations/{split}.json').read_text()
            ),
            classes=('cup',),
        )
        for split in NUMBERS
    ]


def make_labels(
    root: Path, change: Callable[[Path], object] | None = None
) -> None:
    """Write pictures with label maps of two classes, 1 and 2."""
    for split, numbers in NUMBERS.items():
        for number in numbers:
            picture(root / 'images' / split / f'{number}.jpg', number)
            labels = np.ones((HEIGHT, WIDTH), np.uint8)
            labels[:9], labels[-9:] = 0, 2
            path = root / 'labels' / split / f'{number}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), labels)
    if change is not None:
        change(root)


def open_labels(root: Path) -> list[AnySet]:
    """The data set as the tool opens it."""
    return [
        LabelSet(
            place=split,
            splits=(split,),
            pairs=[
                Pair(
                    root / 'images' / split / f'{number}.jpg',
                    root / 'labels' / split / f'{number}.png',
                )
                for number in numbers
            ],
            image_folder=root / 'images' / split,
            label_folder=root / 'labels' / split,
            rule=LabelRule.of_classes(2, 255, reduce_zero_label=True),
        )
        for split, numbers in NUMBERS.items()
    ]


def setting(name: str, index: int, /, **values: Any) -> Break:
    """Set keys of an entry."""
    return lambda root, said: said[name][index].update(values)


def lacking(name: str, index: int, key: str) -> Break:
    """Take a key from an entry."""
    return lambda root, said: said[name][index].pop(key)


def adding(name: str, index: int, /, **values: Any) -> Break:
    """Add a copy of an entry, with some keys changed."""
    return lambda root, said: said[name].append(
        {**said[name][index], **values}
    )


def on_file(act: Callable[..., object], *args: Any) -> Break:
    """Do something to the first picture."""
    return lambda root, said: act(root / 'train/1.jpg', *args)


def run_lengths(**values: Any) -> Break:
    """Change the run lengths of the crowd."""
    return lambda root, said: said['annotations'][-1]['segmentation'].update(
        values
    )


def saved_anew(root: Path, said: Content) -> None:
    """A picture of validation, of other bytes and the same name, in train."""
    pixels = cv2.imread(str(root / 'val/11.jpg'))
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    cv2.imwrite(str(root / 'train/11.jpg'), pixels, quality)
    said['images'][0]['file_name'] = '11.jpg'


UNCUT = rectangle(5, 8, 20, 10)
NAN = float('nan')

# By finding: ways to break a data set so that this alone is found.
BREAKS: dict[str, list[Break]] = {
    'entry-malformed': [
        lambda root, said: said['annotations'].append(None),
        lambda root, said: said['images'].append('4.jpg'),
        lambda root, said: said['categories'].append(['jug']),
    ],
    'key-missing': [
        *(lacking('annotations', 0, k) for k in ('bbox', 'area', 'iscrowd')),
        *(
            lacking('images', 0, key)
            for key in ('height', 'width', 'file_name')
        ),
        setting('images', 0, file_name=None),
    ],
    'category-id-invalid': [
        lambda root, said: said['categories'].append({'name': 'jug'}),
        lambda root, said: said['categories'].append(
            {'name': 'jug', 'id': '3'}
        ),
    ],
    'category-id-duplicate': [adding('categories', 0)],
    'category-name-invalid': [
        lacking('categories', 1, 'name'),
        setting('categories', 1, name=['plate']),
    ],
    'category-name-duplicate': [setting('categories', 1, name='cup')],
    'class-without-category': [setting('categories', 0, name='mug')],
    'image-id-invalid': [
        adding('images', 0, id='4', file_name='4.jpg'),
        adding('images', 0, id=True, file_name='4.jpg'),
    ],
    'image-id-duplicate': [
        adding('images', 0),
        adding('images', 0, file_name='4.jpg'),
    ],
    'image-size-invalid': [
        setting('images', 0, height=0),
        setting('images', 0, width='60'),
        setting('images', 0, width=None),
        setting('images', 0, width=10**30),
    ],
    'file-name-duplicate': [adding('images', 0, id=50)],
    'annotation-id-invalid': [
        setting('annotations', 0, id='7'),
        setting('annotations', 0, id=[7]),
        setting('annotations', 0, id=1.0),
        lacking('annotations', 0, 'id'),
    ],
    'annotation-id-duplicate': [setting('annotations', 0, id=2)],
    'annotation-id-zero': [setting('annotations', 0, id=0)],
    'image-unknown': [
        setting('annotations', 0, image_id=77),
        setting('annotations', 0, image_id='1'),
        setting('annotations', 0, image_id=[1]),
        lacking('annotations', 0, 'image_id'),
    ],
    'category-unknown': [
        setting('annotations', 0, category_id=77),
        setting('annotations', 0, category_id=None),
    ],
    'annotation-duplicate': [adding('annotations', 0, id=70)],
    'box-malformed': [
        setting('annotations', 0, bbox=box)
        for box in (
            [5, 8, NAN, 10],
            [5, 8, 20],
            [5, 8, 20, '10'],
            {'x': 5},
            None,
            [float('inf')] * 4,
            [5, 8, 20, 10**400],
        )
    ],
    'box-empty': [
        setting('annotations', 0, bbox=[5, 8, 0, 10]),
        setting('annotations', 0, bbox=[25, 18, -20, -10]),
    ],
    'box-tiny': [
        setting(
            'annotations',
            0,
            bbox=[5, 8, 20, 0.5],
            segmentation=[rectangle(5, 8, 20, 1)],
            area=20,
        )
    ],
    'box-outside': [
        setting('annotations', 0, bbox=[70, 8, 20, 10]),
        setting('annotations', 0, bbox=[5, -30, 20, 10]),
    ],
    'box-over-edge': [
        setting('annotations', 0, bbox=[-9, 8, 34, 10]),
        setting('annotations', 0, bbox=[5, 8, 90, 10]),
    ],
    'mask-missing': [
        lacking('annotations', 0, 'segmentation'),
        setting('annotations', 0, segmentation=[]),
        setting('annotations', 0, segmentation=None),
    ],
    'mask-malformed': [
        setting('annotations', 0, segmentation=[UNCUT, [1, 2, 3, 4]]),
        setting('annotations', 0, segmentation=[UNCUT[:-1]]),
        setting('annotations', 0, segmentation=[[*UNCUT[:-1], NAN]]),
        setting('annotations', 0, segmentation=[[*UNCUT[:-1], 1e12]]),
        setting('annotations', 0, segmentation=[[*UNCUT[:-1], 'y']]),
        setting('annotations', 0, segmentation=[[*UNCUT[:-1], [1]]]),
        setting('annotations', 0, segmentation=[[[5, 8], [25, 18]] * 3]),
        setting('annotations', 0, segmentation=UNCUT),
        setting('annotations', 0, segmentation='polygon'),
        run_lengths(counts=[0, 10 * HEIGHT]),
        run_lengths(counts=[-1, HEIGHT * WIDTH + 1]),
        run_lengths(counts=[[0], 10]),
        run_lengths(counts=None),
        run_lengths(counts=''),
        run_lengths(counts='no run lengths'),
        run_lengths(counts='ooooooooooooo0'),
        run_lengths(counts='\N{SNOWMAN}'),
        run_lengths(counts='P'),
    ],
    'mask-size-wrong': [
        run_lengths(size=[WIDTH, HEIGHT]),
        lambda root, said: said['annotations'][-1]['segmentation'].pop('size'),
    ],
    'mask-empty': [
        setting('annotations', 0, segmentation=[[7, 9] * 3]),
        setting('annotations', 0, segmentation=[rectangle(99, 8, 20, 10)]),
        run_lengths(counts=[HEIGHT * WIDTH]),
    ],
    'mask-outside-box': [setting('annotations', 0, bbox=[9, 8, 16, 10])],
    'crowd-flag-invalid': [
        setting('annotations', 0, iscrowd=flag)
        for flag in (2, '0', None, -1, [1])
    ],
    'crowd-polygon': [setting('annotations', 0, iscrowd=1)],
    'area-invalid': [
        setting('annotations', 0, area=area) for area in (0, -3, NAN, '200')
    ],
    'area-wrong': [
        setting('annotations', 0, area=900),
        setting('annotations', 0, area=9),
    ],
    'image-missing': [on_file(Path.unlink)],
    'image-truncated': [on_file(cut), on_file(Path.write_bytes, b'')],
    'image-unreadable': [on_file(Path.write_text, '<html>')],
    'image-size-wrong': [on_file(resize, 61, 41)],
    'image-turned': [on_file(turn, 6)],
    'image-maybe-turned': [on_file(turn, 3)],
    'image-shared': [
        lambda root, said: shutil.copy(
            root / 'val/11.jpg', root / 'train/1.jpg'
        ),
        setting('images', 0, file_name='../val/11.jpg'),
        saved_anew,
    ],
}


def on_map(act: Callable[..., object], *args: Any) -> Callable[[Path], object]:
    """Do something to the first label map."""
    return lambda root: act(root / 'labels/train/1.png', *args)


def on_picture(
    act: Callable[..., object], *args: Any
) -> Callable[[Path], object]:
    """Do something to the picture of the first label map."""
    return lambda root: act(root / 'images/train/1.jpg', *args)


def repaint(path: Path, mode: str, label: int = 1) -> None:
    """Save a label map with other pixels, one of them of a label."""
    with Image.open(path) as image:
        labels = np.asarray(image).astype(np.int32)
    labels[20, 30] = label
    if mode == 'I;16':
        Image.fromarray(labels.astype(np.uint16)).save(path)
        return
    painted = Image.fromarray(labels.astype(np.uint8))
    if mode == 'P':
        painted.putpalette([each for n in range(256) for each in (n, 9, 9)])
    elif mode != 'L':
        painted = painted.convert(mode)
    painted.save(path)


LABEL_BREAKS: dict[str, list[Callable[[Path], object]]] = {
    'image-missing': [on_picture(Path.unlink)],
    'image-truncated': [on_picture(cut)],
    'image-unreadable': [on_picture(Path.write_text, '<html>')],
    'image-turned': [on_picture(turn, 6)],
    'image-maybe-turned': [on_picture(turn, 2)],
    'image-shared': [
        lambda root: shutil.copy(
            root / 'images/val/11.jpg', root / 'images/train/1.jpg'
        )
    ],
    'label-map-missing': [on_map(Path.unlink)],
    'label-map-truncated': [on_map(cut)],
    'label-map-unreadable': [on_map(Path.write_text, '<html>')],
    'label-map-size-wrong': [on_map(resize, 59, 40)],
    'label-map-rgb': [on_map(repaint, 'RGB'), on_map(repaint, 'LA')],
    'label-map-16-bit': [on_map(repaint, 'I;16')],
    'label-map-palette': [on_map(repaint, 'P')],
    'label-out-of-range': [on_map(repaint, 'L', 3), on_map(repaint, 'L', 254)],
}
