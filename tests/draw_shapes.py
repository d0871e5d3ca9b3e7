"""Draws the picture of docs/your-own-data.md: tests/draw_shapes.py FILE."""

import sys

import cv2
import numpy as np

from vitdense.datasets import shapes


def main(path: str) -> None:
    """Three pictures of the shapes side by side, twice their size."""
    rng = np.random.default_rng(0)
    shown = []
    for _ in range(3):
        image, instances = shapes.draw_picture(rng, shapes.SPEC['side_px'])
        large = cv2.resize(image, None, fx=2, fy=2)
        for each in instances:
            mask = each.mask.astype(np.uint8).repeat(2, 0).repeat(2, 1)
            lines, _ = cv2.findContours(
                mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            colour = shapes.PALETTE[each.label][::-1]
            cv2.drawContours(large, lines, -1, colour, 2)
        shown.append(large)
    if not cv2.imwrite(path, np.hstack(shown)):
        raise OSError(f'cannot write {path}')


if __name__ == '__main__':
    main(sys.argv[1])
