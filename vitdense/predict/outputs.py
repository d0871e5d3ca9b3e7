"""What mmdet's and mmseg's models give, as results."""

from typing import Any

import numpy as np
import torch

from vitdense.predict.results import (
    Detections,
    LabelMap,
    Result,
    Segments,
)

# mmdet.structures.INSTANCE_OFFSET, which segmentation may not import
OFFSET = 1000


def to_result(
    sample: Any, classes: tuple[str, ...], num_things: int | None
) -> Result:
    """A picture's result.

    Args:
        sample: What the model gives of it.
        classes: Of the model.
        num_things: How many of them are of things, of a panoptic model.

    Raises:
        ValueError: If it has neither segments, objects nor labels.
    """
    if num_things is not None:
        return _segments(sample.pred_panoptic_seg, classes, num_things)
    if 'pred_instances' in sample:
        return _detections(sample.pred_instances, classes)
    if 'pred_sem_seg' in sample:
        labels = sample.pred_sem_seg.data.squeeze(0)
        return LabelMap(labels.cpu().numpy().astype(np.int64), classes)
    raise ValueError(
        f'the model gives {sorted(sample.keys())}; choose one that gives '
        "any of ['pred_instances', 'pred_sem_seg']"
    )


def _segments(
    found: Any, classes: tuple[str, ...], num_things: int
) -> Segments:
    """mmdet's pixels hold a label, or the number of classes and 255 for
    none, and so many times `OFFSET` as the number of a thing."""
    pixels = found.sem_seg.squeeze(0).cpu().numpy()
    values, places = np.unique(pixels, return_inverse=True)
    labels = values % OFFSET
    seen = labels < len(classes)
    ids = np.where(seen, seen.cumsum(), 0)[places.reshape(pixels.shape)]
    return Segments(
        ids.astype(np.int64),
        labels[seen].astype(np.int64),
        classes,
        num_things,
    )


def _detections(found: Any, classes: tuple[str, ...]) -> Detections:
    found = found.cpu()
    order = torch.argsort(found.scores, descending=True, stable=True).numpy()
    masks = None
    if 'masks' in found:
        masks = np.asarray(found.masks, np.bool_)[order]
    return Detections(
        found.bboxes.float().numpy()[order],
        found.scores.float().numpy()[order],
        found.labels.numpy().astype(np.int64)[order],
        masks,
        classes,
    )
