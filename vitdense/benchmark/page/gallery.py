"""Images on which two models disagree most."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitdense.benchmark.accuracy.compare import Figures, Joined
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.segmentation import SegmentationFigures
from vitdense.benchmark.page.data import pairs
from vitdense.benchmark.page.pictures import Pictures
from vitdense.benchmark.page.show_detections import DetectionGallery
from vitdense.benchmark.page.show_label_maps import LabelMapGallery

# images of a pair, and of a page with many pairs
OF_A_PAIR, OF_A_PAGE = 8, 60


def make_gallery(
    figures: Mapping[str, Sequence[Figures]],
    runs: Mapping[str, Sequence[ModelRun]],
    images: Path | None,
    pictures: Pictures,
) -> dict[str, Any]:
    """Choose the images of each pair, and draw them.

    Of several seeds the first is shown.

    Args:
        figures: Of each model's runs.
        runs: Their predictions and truth.
        images: The folder of the pictures; None is what a run says.
        pictures: Keeps what is drawn.

    Raises:
        ValueError, OSError: If a picture cannot be read.
    """
    first = [each[0] for each in runs.values()]
    if images is None:
        known = (each.images for each in first if each.images is not None)
        images = next(known, None)
    scored = [each[0] for each in figures.values()]
    part = scored[0].parts[-1] if isinstance(scored[0], Joined) else scored[0]
    gallery: DetectionGallery | LabelMapGallery
    if isinstance(part, SegmentationFigures):
        maps = [
            each for each in scored if isinstance(each, SegmentationFigures)
        ]
        gallery = LabelMapGallery(maps, first, images, pictures)
    else:
        kind = getattr(part, 'kind', 'bbox')
        gallery = DetectionGallery(first, kind, images, pictures)
    of_pairs = pairs(list(runs))
    number = min(OF_A_PAIR, max(2, OF_A_PAGE // max(1, len(of_pairs))))
    shown: dict[int, dict[str, Any]] = {}
    chosen = []
    for one, two in of_pairs:
        amounts = gallery.disagreements(one, two)
        order = np.argsort(-amounts, kind='stable')[:number]
        for image in order.tolist():
            if amounts[image] > 0:
                entry = shown.setdefault(image, gallery.show(image))
                for model in (one, two):
                    if str(model) not in entry['models']:
                        drawn = gallery.show_model(image, model)
                        entry['models'][str(model)] = drawn
        chosen.append(
            [
                [image, gallery.say(image, one, two)]
                for image in order.tolist()
                if amounts[image] > 0
            ]
        )
    return {
        'about': gallery.about(),
        'photos': images is not None,
        'images': {str(image): entry for image, entry in shown.items()},
        'pairs': chosen,
    }
