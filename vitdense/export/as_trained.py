"""What mmdet's own code finds: what exported detectors are held against."""

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def found_by_mmdet(
    model: Any, images: Tensor, size: tuple[int, int]
) -> list[dict[str, Tensor]]:
    """Objects of each picture, in pixels of what the model is given.

    Args:
        model: A detector, in evaluation.
        images: ``(B, 3, H', W')``, normalised and padded.
        size: H and W of the pictures in them.

    Returns:
        ``boxes``, ``scores`` and ``labels``, and of a model of masks
        ``masks``, ``(N, h, w)`` each, before they are put into the picture.
    """
    # a segmentor's export needs no mmdet
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import bbox2roi

    told = {'img_shape': size, 'ori_shape': size, 'scale_factor': (1.0, 1.0)}
    samples = [DetDataSample(metainfo=told) for _ in images]
    features = model.extract_feat(images)
    if not hasattr(model, 'rpn_head'):
        found = model.bbox_head.predict(features, samples, rescale=False)
        return [_named(each) for each in found]
    head = model.roi_head
    regions = model.rpn_head.predict(features, samples, rescale=False)
    found = head.predict_bbox(
        features, [told] * len(samples), regions, head.test_cfg, rescale=False
    )
    named = [_named(each) for each in found]
    if head.with_mask:
        rois = bbox2roi([each['boxes'] for each in named])
        masks = head._mask_forward(features, rois)['mask_preds'].sigmoid()
        kinds = torch.cat([each['labels'] for each in named])
        if head.mask_head.class_agnostic:
            kinds = kinds * 0
        masks = masks[torch.arange(len(kinds)), kinds]
        parts = masks.split([len(each['labels']) for each in named])
        for each, part in zip(named, parts, strict=True):
            each['masks'] = part
    return named


def _named(found: Any) -> dict[str, Tensor]:
    return {
        'boxes': found.bboxes,
        'scores': found.scores,
        'labels': found.labels,
    }
