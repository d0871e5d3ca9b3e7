"""Pictures of one shape each, a folder for each class, as ImageNet has them.

Ten classes: five outlines, each filled or as a ring. Ground, colours and the
outlines are those of the shapes data set, so that what tells them apart here
is of use to its detectors.
"""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vitdense.datasets import shapes

SIDE_PX = 48
RADIUS_PX = (12, 20)
CROSS = np.array(
    [
        *((1, 3), (1, 1), (3, 1), (3, -1), (1, -1), (1, -3)),
        *((-1, -3), (-1, -1), (-3, -1), (-3, 1), (-1, 1), (-1, 3)),
    ]
) / np.sqrt(10)
OUTLINES = (*shapes.CLASSES, 'cross')
CLASSES = sorted(
    f'{outline}-{kind}' for outline in OUTLINES for kind in ('filled', 'ring')
)


def write_class_folders(root: Path, counts: dict[str, int]) -> None:
    """Write ``root/SPLIT/CLASS/000.jpg``: so many of each class.

    Args:
        root: The folder.
        counts: How many pictures of a class each split has.
    """
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for name in CLASSES:
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                picture = _picture(rng, *name.split('-'))
                cv2.imwrite(str(folder / f'{index:03d}.jpg'), picture)


def _picture(
    rng: np.random.Generator, outline: str, kind: str
) -> shapes.Image:
    canvas = shapes.ground(rng, SIDE_PX)
    turn = np.deg2rad(rng.uniform(*shapes.SPEC['turn_degrees']))
    radius = rng.uniform(*RADIUS_PX)
    centre = rng.uniform(radius, SIDE_PX - radius, 2)
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for scale, value in ((1, 1), (0.5, 0))[: 1 + (kind == 'ring')]:
        corners = _corners(outline, turn) * radius * scale + centre
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], value)
    canvas[mask.astype(bool)] = shapes.bright_colour(rng)
    noise = rng.normal(0, 6, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _corners(outline: str, turn: float) -> npt.NDArray[np.float64]:
    if outline != 'cross':
        return shapes.outline(shapes.CLASSES.index(outline), turn)
    cos, sin = np.cos(turn), np.sin(turn)
    return CROSS @ np.array([[cos, sin], [-sin, cos]])
