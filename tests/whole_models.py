"""Whole detectors and segmentors that take one step and predict once.

They are built from what a config has as ``model``; pictures are made here.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

SEGMENTED_HW = (128, 160)


def stock(library: str, name: str) -> Any:
    """The model of a config that mmdet or mmseg ships."""
    folder = Path(find_spec(library).submodule_search_locations[0])
    return Config.fromfile(folder / '.mim/configs' / f'{name}.py').model


@contextmanager
def built(library: str, model: Any) -> Iterator[Any]:
    importlib.import_module(f'{library}.models')
    torch.manual_seed(0)
    for counted in ('epoch', 'iter'):  # TOOD and BoxInst ask
        MessageHub.get_current_instance().update_info(counted, 0)
    with DefaultScope.overwrite_default_scope(library):
        made = MODELS.build(model)
        made.init_weights()
        yield made


def backward(model: Any, data: Any) -> Tensor:
    """The loss, whose gradients the parameters then have."""
    model.train()
    data = model.data_preprocessor(data, True)
    losses = model.loss(data['inputs'], data['data_samples'])
    total, _ = model.parse_losses(losses)
    total.backward()
    return total


def take_step(model: Any, data: Any) -> None:
    """The loss is finite, and so is the gradient of every parameter."""
    assert backward(model, data).isfinite()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def predict(model: Any, data: Any) -> Any:
    model.eval()
    data = model.data_preprocessor(data, False)
    with torch.no_grad():
        return model.predict(data['inputs'], data['data_samples'])[0]


def pictures(count: int, *, with_mask: bool) -> Any:
    """Some with two boxes each, and their masks."""
    return demo_mm_inputs(
        count,
        [[3, 96, 128]] * count,
        num_items=[2] * count,
        num_classes=80,
        use_box_type=True,
        with_mask=with_mask,
    )


def labelled(count: int) -> Any:
    """Pictures with random labels of five classes."""
    labels = torch.randint(0, 5, (1, *SEGMENTED_HW))
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=labels),
        metainfo=dict(ori_shape=SEGMENTED_HW, img_shape=SEGMENTED_HW),
    )
    return dict(
        inputs=[torch.randint(0, 256, (3, *SEGMENTED_HW)).byte()] * count,
        data_samples=[sample] * count,
    )


def step_and_detect(config: Any, *, of_backbone: str = '') -> None:
    """A step and a prediction; gradients of the backbone are not 0.

    Args:
        config: The model's.
        of_backbone: Part of the names of the parameters that are looked at.
    """
    for test_cfg in (config.test_cfg, config.test_cfg.get('rcnn') or {}):
        if 'score_thr' in test_cfg:
            test_cfg.score_thr = 0.0
    # fewer RoIs and queries are as good, and quicker
    rpn, rcnn = (config.test_cfg.get(part) for part in ('rpn', 'rcnn'))
    if rpn and rcnn and not isinstance(config.train_cfg.rcnn, list):
        config.train_cfg.rcnn.sampler.num = 64
        rpn.max_per_img = 100
    if 'num_queries' in config:
        config.num_queries = 50
        config.test_cfg.max_per_img = 50
    # not every picture padded to the size of training
    config.data_preprocessor.pop('batch_augments', None)
    masks = 'panoptic_head' in config or 'mask_head' in config.get(
        'roi_head', {}
    )
    with built('mmdet', config) as model:
        take_step(model, pictures(2, with_mask=masks))
        learning = {
            name: bool(parameter.grad.any())
            for name, parameter in model.backbone.named_parameters()
            if parameter.requires_grad and of_backbone in name
        }
        frozen = getattr(config.backbone, 'tune', 'all') == 'none'
        assert bool(learning) != frozen
        assert all(learning.values()), learning
        found = predict(model, pictures(1, with_mask=masks)).pred_instances
    assert len(found)
    assert found.scores.isfinite().all()
    assert found.bboxes.isfinite().all()


def step_and_segment(config: Any) -> None:
    """A step and a prediction of a segmentor, in this one process."""
    config.data_preprocessor.size = SEGMENTED_HW
    for head in (config.decode_head, config.get('auxiliary_head')):
        if head and head.get('norm_cfg', {}).get('type') == 'SyncBN':
            head.norm_cfg = dict(type='BN')  # SyncBN needs several processes
    if config.get('neck', {}).get('type') == 'vitdense.BatchNormNeck':
        config.neck.norm = 'BN'
    data = labelled(2)
    with built('mmseg', config) as segmentor:
        take_step(segmentor, data)
        found = predict(segmentor, data)
    assert found.pred_sem_seg.data.shape == (1, *SEGMENTED_HW)
    assert found.seg_logits.data.isfinite().all()
