"""Exported files in the place of mmdet's and mmseg's models."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from vitdense.predict.exported import ExportedFile


class ExportedModel:
    """An exported detector or segmentor in the place of the model.

    Args:
        file: The exported file.
        cfg: The config that it was exported of.

    Attributes:
        data_preprocessor: The config's; for sizes, as it is in the file too.
        backbone: What the file says of its ``min_size`` and ``out_strides``.
    """

    def __init__(self, file: ExportedFile, cfg: Config) -> None:
        self._file = file
        settings = cfg.model.get('data_preprocessor')
        self.data_preprocessor = MODELS.build(
            settings or cfg.data_preprocessor
        )
        self.backbone = SimpleNamespace(
            min_size=file.told['min_size'],
            out_strides=tuple(file.told['strides']),
        )

    def test_step(self, batch: Mapping[str, Any]) -> list[Any]:
        """As mmengine's models: results in the samples of a batch, whose
        pictures have one size."""
        pictures = torch.stack(list(batch['inputs'])).permute(0, 2, 3, 1)
        found = self._file(pictures.to(torch.uint8).numpy())
        samples = list(batch['data_samples'])
        told = self._file.told
        put = _put_objects if told['task'] == 'detection' else _put_labels
        for number, sample in enumerate(samples):
            of_one = {
                name: torch.from_numpy(values[number])
                for name, values in found.items()
            }
            put(sample, of_one, told)
        return samples


def _put_labels(
    sample: Any, found: Mapping[str, Tensor], told: Mapping[str, Any]
) -> None:
    """Labels of the picture's own size."""
    whole = F.interpolate(
        found['logits'][None],
        sample.ori_shape[:2],
        mode='bilinear',
        align_corners=told['align_corners'],
    )
    sample.pred_sem_seg = PixelData(data=whole.argmax(1))


def _put_objects(
    sample: Any, found: Mapping[str, Tensor], told: Mapping[str, Any]
) -> None:
    """Objects in pixels of the picture itself."""
    there = found['labels'] >= 0
    boxes = found['boxes'][there]
    boxes = boxes / boxes.new_tensor(sample.scale_factor).repeat(2)
    objects = InstanceData(
        bboxes=boxes,
        scores=found['scores'][there],
        labels=found['labels'][there],
    )
    if 'masks' in found:
        objects.masks = _pasted(
            found['masks'][there],
            boxes,
            sample.ori_shape[:2],
            told['mask_threshold'],
        )
    sample.pred_instances = objects


def _pasted(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float
) -> Tensor:
    """(N, h, w), (N, 4) -> (N, H, W) bool: masks of boxes put into a picture
    of H x W pixels, by mmdet's own code."""
    from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

    whole = torch.zeros(len(masks), *size, dtype=torch.bool)
    for mask, box, canvas in zip(masks, boxes, whole, strict=True):
        part, where = _do_paste_mask(mask[None, None], box[None], *size)
        canvas[where] = part[0] >= threshold
    return whole


def load_exported(
    path: str, cfg: Config, task: str
) -> tuple[ExportedModel, tuple[str, ...]]:
    """An exported file as a model, and its classes.

    Args:
        path: Of the file.
        cfg: The config that it was exported of.
        task: That of the config.

    Raises:
        ValueError, OSError, ImportError: If it cannot be used, naming it.
    """
    file = ExportedFile(path)
    if file.told['part'] != 'model':
        raise ValueError(
            f'{path!r} is of a {file.told["part"]} alone, which gives no '
            'results; export the model without --backbone'
        )
    if file.told['task'] != task:
        raise ValueError(
            f'{path!r} is of {file.told["task"]}, and the config of {task}'
        )
    return ExportedModel(file, cfg), tuple(file.told['classes'])
