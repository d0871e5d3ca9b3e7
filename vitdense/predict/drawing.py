"""Results drawn over their pictures, legibly at any size."""

from dataclasses import replace
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vitdense.predict.colours import colour_of
from vitdense.predict.results import (
    Detections,
    LabelMap,
    Result,
    Segments,
)

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
# in parts of a picture's longer side, and in pixels at least
LINE, THINNEST = 1 / 400, 2
TEXT, SMALLEST = 1 / 55, 12
# a picture whose longer side has fewer pixels is drawn larger
LEGIBLE = 480
# by how many lines a text may go aside for another
LINES = 6
# how much of a mask's, or a class's, colour is over the picture
COVER = 0.45


def draw(picture: Pixels, result: Result) -> Pixels:
    """A picture with what was found in it.

    Args:
        picture: ``(H, W, 3)``, blue first.
        result: Of that picture.

    Returns:
        A new picture; a small one is as many times as large as letters need.
    """
    times = ceil(LEGIBLE / max(picture.shape[:2]))
    if times > 1:
        picture = _enlarge(picture, times)
        result = _enlarged(result, times)
    if isinstance(result, LabelMap):
        return _draw_labels(picture, result)
    if isinstance(result, Segments):
        return _draw_segments(picture, result)
    return _draw_detections(picture, result)


def _enlarge(pixels: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    return pixels.repeat(times, 0).repeat(times, 1)


def _enlarged(result: Result, times: int) -> Result:
    if isinstance(result, LabelMap):
        return replace(result, labels=_enlarge(result.labels, times))
    if isinstance(result, Segments):
        return replace(result, ids=_enlarge(result.ids, times))
    masks = result.masks
    if masks is not None:
        masks = masks.repeat(times, 1).repeat(times, 2)
    return replace(result, boxes=result.boxes * times, masks=masks)


def _draw_labels(picture: Pixels, result: LabelMap) -> Pixels:
    """Each class in its colour, with the names of those that are there."""
    colours = np.asarray(
        [colour_of(label)[::-1] for label in range(len(result.classes))],
        np.uint8,
    )
    covered = _blend(picture, colours[result.labels])
    image = _to_pillow(covered)
    pen, font = ImageDraw.Draw(image), _font(picture)
    top = 0.0
    for label, name in enumerate(result.classes):
        if name in result.shares:
            top = _write(pen, font, name, (0, top), colour_of(label))
    return _from_pillow(image)


def _draw_segments(picture: Pixels, result: Segments) -> Pixels:
    """Each in the colour of its class, with a white line around it and its
    name in it."""
    ids = result.ids
    drawn = picture.copy()
    colours = [colour_of(label) for label in result.labels.tolist()]
    for index, colour in enumerate(colours, 1):
        over = np.asarray(colour[::-1], np.uint8)
        drawn[ids == index] = _blend(drawn[ids == index], over)
    drawn[:, 1:][ids[:, 1:] != ids[:, :-1]] = 255
    drawn[1:][ids[1:] != ids[:-1]] = 255
    image = _to_pillow(drawn)
    pen, font = ImageDraw.Draw(image), _font(picture)
    taken: list[Box] = []
    for index in np.argsort(-result.areas).tolist():
        name = result.names[index]
        _, _, width, height = pen.textbbox((0, 0), name, font)
        rows, columns = np.nonzero(ids == index + 1)
        x = float(np.median(columns)) - width / 2
        x = min(max(x, 0), max(image.width - width, 0))
        top = float(np.median(rows)) + height / 2
        place = _free_place(x, top, width, height, image.height, taken)
        _write(pen, font, name, place, colours[index])
    return _from_pillow(image)


def _draw_detections(picture: Pixels, result: Detections) -> Pixels:
    """Masks, over them boxes, over these names; the best is uppermost."""
    longer = max(picture.shape[:2])
    line = max(THINNEST, round(longer * LINE))
    drawn = picture.copy()
    order = range(len(result) - 1, -1, -1)
    colours = [colour_of(label) for label in result.labels.tolist()]
    for index in order:
        bgr = colours[index][::-1]
        if result.masks is not None:
            mask = result.masks[index]
            drawn[mask] = _blend(drawn[mask], np.asarray(bgr, np.uint8))
        left, top, right, bottom = result.boxes[index].round().astype(int)
        corners = (int(left), int(top)), (int(right), int(bottom))
        cv2.rectangle(drawn, *corners, bgr, line)
    image = _to_pillow(drawn)
    pen, font = ImageDraw.Draw(image), _font(picture)
    taken: list[Box] = []
    for index in range(len(result)):  # the best has the place that it wants
        text = _text(result, index)
        _, _, width, height = pen.textbbox((0, 0), text, font)
        left, top = result.boxes[index, :2].tolist()
        x = min(max(left, 0), max(image.width - width, 0))
        place = _free_place(x, top, width, height, image.height, taken)
        _write(pen, font, text, place, colours[index])
    return _from_pillow(image)


def _text(result: Detections, index: int) -> str:
    name, score = result.names[index], result.scores[index]
    return name if np.isnan(score) else f'{name} {score:.2f}'


def _free_place(
    x: float,
    top: float,
    width: float,
    height: float,
    bottom: int,
    taken: list[Box],
) -> tuple[float, float]:
    """Where a text hides no other one: above its box, or as near as it can.

    Adds the place to those that are taken. A text that finds none in a few
    lines is written over others.
    """
    first = top - height if top >= height else max(top, 0)
    for line in sorted(range(-LINES, LINES + 1), key=abs):
        y = first + line * height
        box = (x, y, x + width, y + height)
        free = not any(_overlap(box, each) for each in taken)
        if free and 0 <= y <= bottom - height:
            break
    else:
        y, box = first, (x, first, x + width, first + height)
    taken.append(box)
    return x, y


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2]
        and other[0] < one[2]
        and one[1] < other[3]
        and other[1] < one[3]
    )


def _blend(under: Pixels, over: Pixels) -> Pixels:
    mixed = under * (1 - COVER) + over * COVER
    return np.asarray(mixed.round(), np.uint8)


def _write(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    text: str,
    place: tuple[float, float],
    colour: tuple[int, int, int],
) -> float:
    """Write on a ground of a class's colour; gives where the next line is."""
    _, _, right, bottom = pen.textbbox(place, text, font)
    pen.rectangle((place[0], place[1], right, bottom), colour)
    red, green, blue = colour
    light = 0.3 * red + 0.6 * green + 0.1 * blue > 140
    pen.text(place, text, 'black' if light else 'white', font)
    return float(bottom)


def _font(picture: Pixels) -> ImageFont.FreeTypeFont:
    """One whose letters are large enough to be read in a picture."""
    return _font_of(max(SMALLEST, round(max(picture.shape[:2]) * TEXT)))


@lru_cache
def _font_of(size: int) -> ImageFont.FreeTypeFont:
    # OpenCV's own letters are ASCII's
    fonts = Path(matplotlib.get_data_path(), 'fonts/ttf')
    return ImageFont.truetype(fonts / 'DejaVuSans-Bold.ttf', size)


def _to_pillow(picture: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))


def _from_pillow(image: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])
