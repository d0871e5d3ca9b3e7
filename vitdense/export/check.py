"""Whether an exported file gives what the model gives."""

import tempfile
from pathlib import Path
from typing import Any

from vitdense.export.compare import compare_maps
from vitdense.export.compare_objects import any_score, compare_objects
from vitdense.export.detectors import Detector
from vitdense.export.networks import example
from vitdense.export.write import write
from vitdense.predict.exported import ExportedFile


def sizes_to_check(side: int) -> tuple[tuple[int, int, int], ...]:
    """Batch, height and width: none square, none of which the model was
    traced on, one of odd sides.

    Args:
        side: The least side that the model takes, in pixels.
    """
    return (
        (1, side, 2 * side),
        (2, 2 * side + 1, side + 3),
        (3, side + side // 2, side),
    )


def check(path: Path, network: Any, side: int) -> dict[str, float]:
    """Hold a file's results against those of the model, at three sizes.

    Of a detector, whose score threshold hides most that it finds in noise, a
    second file is written beside it, in which there is none, and checked too.

    Args:
        path: Of the file.
        network: Of `vitdense.export.choosing`, that was exported.
        side: The least side that the model takes, in pixels.

    Returns:
        The largest difference of each output but labels.

    Raises:
        DifferentError: If any is above the tolerance, naming output and size.
    """
    worst = _check(path, network, side)
    if not isinstance(network, Detector):
        return worst
    with (
        any_score(network),
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
    ):
        shown = Path(folder) / path.name
        write(network, {}, shown, example_side=side)
        return _check(shown, network, side)


def _check(path: Path, network: Any, side: int) -> dict[str, float]:
    file = ExportedFile(path)
    detects = isinstance(network, Detector)
    compare = compare_objects if detects else compare_maps
    worst: dict[str, float] = {}
    for batch, height, width in sizes_to_check(side):
        pictures = example(height, width, batch, seed=height)
        found = file(pictures.numpy())
        place = f'of {batch} x {height} x {width} pixels'
        for name, error in compare(found, network, pictures, place).items():
            worst[name] = max(worst.get(name, 0.0), error)
    return worst
