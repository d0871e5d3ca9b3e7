"""What mmdet's and mmseg's models give, as results."""

from typing import Any

import numpy as np
import torch

from vitdense.predict.results import Detections, LabelMap, Result


def to_result(sample: Any, classes: tuple[str, ...]) -> Result:
    """A picture's result.

    Args:
        sample: What the model gives of it.
        classes: Of the model.

    Raises:
        ValueError: If it has neither objects nor labels.
    """
    if 'pred_instances' in sample:
        return _detections(sample.pred_instances, classes)
    if 'pred_sem_seg' in sample:
        labels = sample.pred_sem_seg.data.squeeze(0)
        return LabelMap(labels.cpu().numpy().astype(np.int64), classes)
    raise ValueError(
        f'the model gives {sorted(sample.keys())}; choose one that gives '
        "any of ['pred_instances', 'pred_sem_seg']"
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
