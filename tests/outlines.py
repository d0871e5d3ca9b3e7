"""Pictures of one outline each, as folders of ImageNet.

Ten classes: a polygon or a star, in one of five colours.
"""

from pathlib import Path

import cv2
import numpy as np

SIDE_PX = 64
COLOURS = {  # BGR
    'blue': (230, 60, 60),
    'green': (60, 200, 60),
    'red': (60, 60, 230),
    'white': (240, 240, 240),
    'yellow': (40, 220, 230),
}
CLASSES = [f'{c}-{kind}' for c in COLOURS for kind in ('polygon', 'star')]


def write_outlines(root: Path, counts: dict[str, int]) -> None:
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
                picture = _picture(rng, name)
                cv2.imwrite(str(folder / f'{index:03d}.jpg'), picture)


def _picture(rng: np.random.Generator, name: str) -> np.ndarray:
    colour, _, kind = name.partition('-')
    count = int(rng.integers(3, 8))
    angles = np.arange(2 * count) * np.pi / count + rng.uniform(0, 2 * np.pi)
    radii = np.full(2 * count, rng.uniform(14, 26))
    # between two corners: the middle of the side, or further in
    radii[1::2] *= np.cos(np.pi / count) if kind == 'polygon' else 0.4
    centre = rng.uniform(26, 38, 2)
    points = centre + radii[:, None] * np.stack(
        (np.cos(angles), np.sin(angles)), 1
    )
    canvas = np.full((SIDE_PX, SIDE_PX, 3), rng.uniform(40, 110, 3))
    corners = points.round().astype(np.int32)
    cv2.fillPoly(canvas, [corners], COLOURS[colour])
    canvas += rng.normal(0, 8, canvas.shape)
    return canvas.clip(0, 255).astype(np.uint8)
