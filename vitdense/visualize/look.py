"""A picture, its pyramid and where one of its points looks, in one figure."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import nn

from vitdense.predict.predictor import Predictor
from vitdense.visualize.attention import look_from
from vitdense.visualize.levels import level_picture

COLUMNS = 4
PANEL = 3.2  # inches across
Pixels = npt.NDArray[np.uint8]


def draw_look(
    predictor: Predictor,
    path: str | Path,
    point: tuple[int, int] | None = None,
    head: int | None = None,
) -> Figure:
    """Draw the levels of the backbone, and attention from a point.

    Args:
        predictor: The model.
        path: Of the picture.
        point: Across and down in its pixels; None draws no attention.
        head: Which head's; None is the mean of all.

    Raises:
        BrokenImageError: If the file is no picture.
        ValueError: If the point is outside of the picture, or there is no
            such head, or no attention.
    """
    picture = predictor.read(path)
    height, width = picture.shape[:2]
    if point is not None and not (
        0 <= point[0] < width and 0 <= point[1] < height
    ):
        raise ValueError(
            f'--point {point[0]} {point[1]} is outside of {str(path)!r}, '
            f'which has {width} x {height} pixels'
        )
    inputs, (rows, cols) = predictor.given(picture)
    backbone: nn.Module = predictor.model.backbone
    with torch.no_grad():
        levels = backbone(inputs)
    # the picture is in the upper left of what is given, the rest is padding
    down, across = rows / inputs.shape[2], cols / inputs.shape[3]
    panels: list[tuple[str, Any, Any]] = [('picture', picture, None)]
    panels += [
        (
            f'level {number}: {level.shape[2]} x {level.shape[3]}',
            _over(level_picture(level[0]), down, across),
            None,
        )
        for number, level in enumerate(levels)
    ]
    if point is not None:
        at = point[0] / width * across, point[1] / height * down
        for looked in look_from(backbone, inputs, at, head):
            heat = looked.weights / looked.weights.max()
            title = looked.name.replace('.blocks', '').replace('.attn', '')
            if looked.prefix:
                title += f', {looked.prefix:.0%} elsewhere'
            shown = _over(heat.cpu().numpy(), down, across)
            panels.append((title, picture, shown))
    return _figure(panels, (width, height), point)


def _over(cells: Any, down: float, across: float) -> Any:
    """What of a grid lies over the picture, without the padding."""
    rows = max(round(cells.shape[0] * down), 1)
    cols = max(round(cells.shape[1] * across), 1)
    return cells[:rows, :cols]


def _figure(
    panels: list[tuple[str, Any, Any]],
    size: tuple[int, int],
    point: tuple[int, int] | None,
) -> Figure:
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    tall = PANEL * size[1] / size[0] + 0.4  # and a title
    figure = Figure(
        figsize=(PANEL * columns, tall * rows), layout='constrained'
    )
    for place, (title, below, heat) in enumerate(panels):
        panel = figure.add_subplot(rows, columns, place + 1)
        shown = below[..., ::-1] if below.dtype == np.uint8 else below
        if heat is not None:  # pale, under the heat
            grey = cv2.cvtColor(below, cv2.COLOR_BGR2GRAY)
            panel.imshow(grey, cmap='gray', extent=(0, *size, 0))
            panel.imshow(
                heat, cmap='inferno', alpha=0.65, extent=(0, *size, 0)
            )
        else:
            panel.imshow(shown, extent=(0, *size, 0), interpolation='nearest')
        if point is not None and (heat is not None or place == 0):
            panel.plot(*point, '+', color='cyan', markersize=12, mew=2)
        panel.set_title(title, fontsize='small')
        panel.set_axis_off()
    return figure
