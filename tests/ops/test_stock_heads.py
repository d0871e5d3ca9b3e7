"""mmdet's and mmseg's own configs that call these operators take a step.

Their backbone is exchanged for a PVT, unless it is what calls the operator.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

CHANNELS = [32, 64, 160, 256]  # of PVTv2-B0
DETECTORS = [
    'vfnet/vfnet_r50_fpn_1x_coco',
    'tood/tood_r50_fpn_1x_coco',
    'ddod/ddod_r50_fpn_1x_coco',
    'reppoints/reppoints-moment_r50_fpn_1x_coco',
    'dyhead/atss_r50_fpn_dyhead_1x_coco',
    'foveabox/fovea_r50_fpn_gn-head-align_4xb4-2x_coco',
    'guided_anchoring/ga-retinanet_r50_fpn_1x_coco',
    'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco',
    'pisa/retinanet-r50_fpn_pisa_1x_coco',
    'carafe/faster-rcnn_r50_fpn-carafe_1x_coco',
    'dcn/faster-rcnn_r50_fpn_dpool_1x_coco',
    'dcnv2/faster-rcnn_r50_fpn_mdpool_1x_coco',
]
DEFORMABLE_BACKBONES = [
    'dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco',
    'dcnv2/faster-rcnn_r50-mdconv-group4-c3-c5_fpn_1x_coco',
]
SEGMENTORS = [
    'psanet/psanet_r50-d8_4xb4-80k_ade20k-512x512',
    'ccnet/ccnet_r50-d8_4xb4-80k_ade20k-512x512',
]
BY_DEFAULT = 'reppoints/reppoints-moment_r50_fpn_1x_coco'


def all_but_one_slow(names: list[str]) -> list[Any]:
    return [
        name
        if name == BY_DEFAULT
        else pytest.param(name, marks=[pytest.mark.slow])
        for name in names
    ]


def stock(library: str, name: str) -> Any:
    folder = Path(find_spec(library).submodule_search_locations[0])
    return Config.fromfile(folder / '.mim/configs' / f'{name}.py').model


def exchange_backbone(model: Any) -> None:
    model.pop('pretrained', None)
    # stochastic depth would leave blocks without a gradient
    model.backbone = dict(
        type='vitdense.PVT', arch='v2-b0', drop_path_rate=0.0
    )
    necks = model.get('neck') or []
    for neck in necks if isinstance(necks, list) else [necks]:
        if isinstance(neck.in_channels, list):
            neck.in_channels = CHANNELS[-len(neck.in_channels) :]


@contextmanager
def built(library: str, model: Any) -> Iterator[Any]:
    importlib.import_module(f'{library}.models')
    torch.manual_seed(0)
    MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks
    with DefaultScope.overwrite_default_scope(library):
        made = MODELS.build(model)
        made.init_weights()
        yield made


def take_step(model: Any, data: Any) -> None:
    """The loss is finite, and so is the gradient of every parameter."""
    data = model.train().data_preprocessor(data, True)
    losses = model.loss(data['inputs'], data['data_samples'])
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def predict(model: Any, data: Any) -> Any:
    data = model.eval().data_preprocessor(data, False)
    with torch.no_grad():
        return model.predict(data['inputs'], data['data_samples'])[0]


def pictures(count: int) -> Any:
    """Some with two boxes each."""
    return demo_mm_inputs(
        count,
        [[3, 96, 128]] * count,
        num_items=[2] * count,
        num_classes=80,
        use_box_type=True,
    )


def assert_detects(config: Any, *, of_backbone: str) -> None:
    """A step and a prediction; some gradients of the backbone are not 0."""
    for test_cfg in (config.test_cfg, config.test_cfg.get('rcnn') or {}):
        if 'score_thr' in test_cfg:
            test_cfg.score_thr = 0.0
    if 'rcnn' in config.test_cfg:  # fewer RoIs are as good, and quicker
        config.train_cfg.rcnn.sampler.num = 64
        config.test_cfg.rpn.max_per_img = 100
    with built('mmdet', config) as model:
        take_step(model, pictures(2))
        learning = {
            name: bool(parameter.grad.any())
            for name, parameter in model.backbone.named_parameters()
            if parameter.requires_grad and of_backbone in name
        }
        assert learning
        assert all(learning.values()), learning
        found = predict(model, pictures(1)).pred_instances
    assert len(found)
    assert found.scores.isfinite().all()
    assert found.bboxes.isfinite().all()


@pytest.mark.parametrize('name', all_but_one_slow(DETECTORS))
def test_detector(name):
    model = stock('mmdet', name)
    exchange_backbone(model)
    assert_detects(model, of_backbone='')


@pytest.mark.slow
@pytest.mark.parametrize('name', DEFORMABLE_BACKBONES)
def test_deformable_backbone(name):
    model = stock('mmdet', name)
    model.backbone.init_cfg = None
    # residual branches otherwise begin as zero, without a gradient inside
    model.backbone.zero_init_residual = False
    assert_detects(model, of_backbone='conv_offset')


@pytest.mark.slow
@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentor(name):
    model = stock('mmseg', name)
    exchange_backbone(model)
    heads = [(model.decode_head, 3), (model.auxiliary_head, 2)]
    for head, level in heads:
        head.in_channels, head.in_index = CHANNELS[level], level
        head.norm_cfg = dict(type='BN')  # SyncBN needs several processes
    model.data_preprocessor.size = (128, 160)
    labels = torch.randint(0, 150, (1, 128, 160))
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=labels),
        metainfo=dict(ori_shape=(128, 160), img_shape=(128, 160)),
    )
    data = dict(
        inputs=[torch.randint(0, 256, (3, 128, 160)).byte()] * 2,
        data_samples=[sample] * 2,
    )
    with built('mmseg', model) as segmentor:
        take_step(segmentor, data)
        found = predict(segmentor, data)
    assert found.pred_sem_seg.data.shape == (1, 128, 160)
    assert found.seg_logits.data.isfinite().all()
