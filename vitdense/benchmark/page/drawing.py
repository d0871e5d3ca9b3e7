"""Pictures of the gallery: photographs, and what is laid over them."""

import colorsys
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

LONGEST = 640  # px of a picture's longer side
QUALITY = 82  # of JPEG
# lines of text that something has to be as large as, to be labelled
LABELLED = 3
RIGHT, WRONG, MISSED, TRUTH = '#2fbf71', '#ff5a36', '#ff4fd8', '#4cc9f0'


def draw_photo(pixels: Pixels) -> bytes:
    """``(H, W, 3)`` BGR as a JPEG of at most `LONGEST` pixels a side."""
    scale = LONGEST / max(pixels.shape[:2])
    if scale < 1:
        pixels = np.asarray(
            cv2.resize(
                pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            ),
            np.uint8,
        )
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode('.jpg', pixels, quality)[1].tobytes()


class Overlay:
    """Outlines with labels, as an SVG of the image's size.

    Args:
        height: Of the image, in pixels.
        width: Likewise.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._size = max(height, width) / 40
        self._shapes: list[str] = []
        self._labels: list[str] = []

    def add(
        self,
        box: Sequence[float],
        mask: Pixels | None,
        label: str,
        colour: str,
        dashes: str,
    ) -> None:
        """Add an object or a detection.

        Args:
            box: Its left, top, width and height.
            mask: ``(H, W)``, drawn in place of the box; None for none.
            label: What is written at it, if it is not too small.
            colour: Of outline and label.
            dashes: Of the outline, as SVG has them; '' for none.
        """
        line = (
            f'fill="{colour}" fill-opacity=".18" stroke="{colour}" '
            f'stroke-width="2.5" vector-effect="non-scaling-stroke" '
            f'stroke-dasharray="{dashes or "none"}"'
        )
        left, top, width, height = map(float, box)
        if mask is None:
            self._shapes.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" {line}/>'
            )
        else:
            self._shapes.append(f'<path d="{_outline(mask)}" {line}/>')
        size = self._size
        if max(width, height) < LABELLED * size:
            return
        long = 0.56 * size * len(label) + 0.5 * size
        x = min(max(0.0, left), max(0.0, self._width - long))
        y = min(max(0.0, top), self._height - 1.3 * size)
        self._labels.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{long:.1f}" '
            f'height="{1.25 * size:.1f}" fill="#111" fill-opacity=".66"/>'
            f'<text x="{x + 0.25 * size:.1f}" y="{y + 0.95 * size:.1f}" '
            f'font-size="{size:.1f}" fill="{colour}" '
            f'textLength="{long - 0.5 * size:.1f}" '
            f'lengthAdjust="spacingAndGlyphs">{escape(label)}</text>'
        )

    def encode(self) -> bytes:
        """The SVG's text; labels are over outlines."""
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {self._width} {self._height}" '
            f'width="{self._width}" height="{self._height}" '
            'font-family="system-ui, sans-serif" font-weight="600">'
            f'{"".join(self._shapes)}{"".join(self._labels)}</svg>\n'
        ).encode()


def _outline(mask: Pixels) -> str:
    outlines, _ = cv2.findContours(
        mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    parts = []
    for each in outlines:
        points = cv2.approxPolyDP(each, 1.0, True).reshape(-1, 2).tolist()
        if len(points) > 2:
            parts.append('M' + 'L'.join(f'{x} {y}' for x, y in points) + 'Z')
    return ''.join(parts)


def colour_of(label: int) -> tuple[int, int, int]:
    """Red, green and blue of a class; neighbours in number look unlike."""
    # the first, often the ground, is not red, as what is wrong is
    hue = (0.55 + label * 0.618034) % 1
    value = (0.95, 0.75, 0.6)[label % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_labels(labels: npt.NDArray[np.integer], ignored: int) -> bytes:
    """A label map ``(H, W)`` as a PNG that lets the picture shine through."""
    pixels = np.zeros((*labels.shape, 4), np.uint8)
    for label in np.unique(labels).tolist():
        if label != ignored:
            red, green, blue = colour_of(label)
            pixels[labels == label] = (blue, green, red, 165)
    return _png(pixels)


def draw_marked(marked: npt.NDArray[np.bool_]) -> bytes:
    """Pixels ``(H, W)`` in red over all else, as a PNG."""
    pixels = np.zeros((*marked.shape, 4), np.uint8)
    pixels[marked] = (40, 40, 235, 190)
    return _png(pixels)


def _png(pixels: Pixels) -> bytes:
    scale = LONGEST / max(pixels.shape[:2])
    if scale < 1:
        pixels = np.asarray(
            cv2.resize(
                pixels,
                None,
                fx=scale,
                fy=scale,
                interpolation=cv2.INTER_NEAREST,
            ),
            np.uint8,
        )
    return cv2.imencode('.png', pixels)[1].tobytes()


def read_photo(path: Any) -> Pixels:
    """``(H, W, 3)`` BGR.

    Raises:
        ValueError: If it is no picture.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError(f'{str(path)!r} cannot be read as a picture')
    return np.asarray(pixels, np.uint8)
