"""Shapes: a generated data set for first steps, tests and quick starts.

Pictures of overlapping bright shapes on a dull, shaded, noisy ground. The
class of a shape is its outline alone; colour, size and turn are random.
Written twice, in the layout of COCO (instance masks as run lengths) and in
that of ADE20K (label maps from 1 on, where 1 is the ground)::

    coco/{train2017,val2017}/000001.jpg
    coco/annotations/instances_{train2017,val2017}.json
    ade20k/images/{training,validation}/000001.jpg
    ade20k/annotations/{training,validation}/000001.png
    shapes.json     what was drawn, written last
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CLASSES = ('circle', 'square', 'triangle', 'star')
PALETTE = [(220, 60, 50), (60, 140, 230), (70, 190, 90), (240, 190, 40)]
SPLITS = {'train2017': 'training', 'val2017': 'validation'}

# How `make_shapes` draws; kept beside the pictures to tell old from new.
SPEC: dict[str, Any] = {
    'version': 1,
    'seed': 0,
    'side_px': 128,
    'shapes': [2, 6],
    'radius_px': [10, 30],
    'turn_degrees': [-20, 20],
}
IMAGES = {'train2017': 1600, 'val2017': 160}
# No shape hides more than this part of an earlier one.
MAX_HIDDEN = 0.5


class Instance(NamedTuple):
    """One drawn shape: its class and its visible pixels, ``(H, W)``."""

    label: int
    mask: Mask


def ensure_shapes(
    root: str | Path, images: Mapping[str, int] = IMAGES
) -> None:
    """Make the data set at ``root`` unless it is there, of any size.

    Made in a folder beside ``root`` and moved there when complete, so that a
    broken run leaves nothing behind and several processes may ask at once.

    Args:
        root: The folder of both layouts.
        images: How many pictures each split gets, if it has to be made.

    Raises:
        ValueError: Something else, or an older version, lies at ``root``.
    """
    root = Path(root)
    if _is_complete(root):
        return
    if root.exists() and any(root.iterdir()):
        raise ValueError(
            f'{root} is not the shapes data set this version makes; '
            'remove it to have it made anew'
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    try:
        make_shapes(scratch, images)
        scratch.chmod(0o755)
        os.replace(scratch, root)
    except OSError:
        # another process was first: a folder with files is not replaced
        if not _is_complete(root):
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_complete(root: Path) -> bool:
    spec = root / 'shapes.json'
    return (
        spec.is_file() and SPEC.items() <= json.loads(spec.read_text()).items()
    )


def make_shapes(root: Path, images: Mapping[str, int]) -> None:
    """Write both layouts, drawn as `SPEC` says, to ``root``."""
    for number, (split, ade_split) in enumerate(SPLITS.items()):
        rng = np.random.default_rng([SPEC['seed'], number])
        coco_images = root / 'coco' / split
        ade_images = root / 'ade20k' / 'images' / ade_split
        ade_labels = root / 'ade20k' / 'annotations' / ade_split
        for folder in (coco_images, ade_images, ade_labels):
            folder.mkdir(parents=True)
        pictures = []
        for index in range(1, images[split] + 1):
            image, instances = draw_picture(rng, SPEC['side_px'])
            name = f'{index:06d}'
            _write_image(coco_images / f'{name}.jpg', image)
            _write_image(ade_images / f'{name}.jpg', image)
            _write_image(ade_labels / f'{name}.png', label_map(instances))
            pictures.append(instances)
        annotations = root / 'coco' / 'annotations'
        annotations.mkdir(exist_ok=True)
        (annotations / f'instances_{split}.json').write_text(
            json.dumps(coco_annotations(pictures))
        )
    drawn = SPEC | {'images': dict(images)}
    (root / 'shapes.json').write_text(json.dumps(drawn, indent=2) + '\n')


def _write_image(path: Path, image: Image) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f'cannot write {path}')


def draw_picture(
    rng: np.random.Generator, side_px: int
) -> tuple[Image, list[Instance]]:
    """One picture, ``(H, W, 3)`` in BGR, and its shapes, hindmost first."""
    canvas = ground(rng, side_px)
    instances: list[Instance] = []
    low, high = SPEC['shapes']
    for _ in range(rng.integers(low, high + 1)):
        label = int(rng.integers(len(CLASSES)))
        mask = _place(rng, label, side_px)
        if any(
            (mask & old.mask).sum() > MAX_HIDDEN * old.mask.sum()
            for old in instances
        ):
            continue
        instances = [Instance(i.label, i.mask & ~mask) for i in instances]
        instances.append(Instance(label, mask))
        canvas[mask] = bright_colour(rng)
    noise = rng.normal(0, 6, canvas.shape)
    image = np.clip(canvas + noise, 0, 255).astype(np.uint8)
    return image, instances


def ground(rng: np.random.Generator, side_px: int) -> npt.NDArray[np.float64]:
    """A ground shaded from one random colour to another, ``(H, W, 3)``."""
    ramp = np.linspace(0, 1, side_px)[:, None, None]
    if rng.random() < 0.5:
        ramp = ramp.transpose(1, 0, 2)
    start, end = rng.uniform(40, 110, (2, 3))
    ground = start + (end - start) * ramp
    return np.broadcast_to(ground, (side_px, side_px, 3)).copy()


def bright_colour(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A colour, ``(3,)``, with one channel high, one low and one between."""
    colour = rng.uniform((200, 0, 0), (255, 255, 80))
    return rng.permutation(colour)


def _place(rng: np.random.Generator, label: int, side_px: int) -> Mask:
    """The pixels of a shape of random size, place and turn, ``(H, W)``."""
    radius = rng.uniform(*SPEC['radius_px'])
    centre = rng.uniform(radius / 2, side_px - radius / 2, 2)
    turn = np.deg2rad(rng.uniform(*SPEC['turn_degrees']))
    corners = outline(label, turn) * radius + centre
    mask = np.zeros((side_px, side_px), np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask.astype(bool)


def outline(label: int, turn: float) -> npt.NDArray[np.float64]:
    """Corners of a shape of radius 1, turned by radians: ``(K, 2)``.

    Unturned, the square lies on a side; triangle and star point up.
    """
    corners = (32, 4, 3, 10)[label]
    radii = np.ones(corners)
    if CLASSES[label] == 'star':
        radii[1::2] = 0.4
    first = -np.pi / 4 if CLASSES[label] == 'square' else -np.pi / 2
    angles = first + turn + 2 * np.pi * np.arange(corners) / corners
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def label_map(instances: list[Instance]) -> Image:
    """ADE20K labels, ``(H, W)``: 1 the ground, 2 and up the classes."""
    labels = np.ones_like(instances[0].mask, np.uint8)
    for instance in instances:
        labels[instance.mask] = instance.label + 2
    return labels


def coco_annotations(pictures: list[list[Instance]]) -> dict[str, Any]:
    """The COCO annotation file of pictures numbered from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, instances in enumerate(pictures, 1):
        height, width = instances[0].mask.shape
        images.append(
            {
                'id': image_id,
                'file_name': f'{image_id:06d}.jpg',
                'height': height,
                'width': width,
            }
        )
        for instance in instances:
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': instance.label + 1,
                    'iscrowd': 0,
                    'area': int(instance.mask.sum()),
                    'bbox': _box(instance.mask),
                    'segmentation': run_lengths(instance.mask),
                }
            )
    categories = [
        {'id': number, 'name': name} for number, name in enumerate(CLASSES, 1)
    ]
    return {
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }


def _box(mask: Mask) -> list[int]:
    """The box around a mask as x, y, width, height."""
    return list(cv2.boundingRect(mask.astype(np.uint8)))


def run_lengths(mask: Mask) -> dict[str, Any]:
    """COCO's uncompressed run lengths: down the columns, zeros first."""
    pixels = np.concatenate([[False], mask.ravel(order='F')])
    starts = np.flatnonzero(pixels[1:] != pixels[:-1])
    counts = np.diff(np.concatenate([[0], starts, [mask.size]]))
    return {'size': list(mask.shape), 'counts': counts.tolist()}
