"""mmdet's and mmseg's own configs that call these operators take a step.

Their backbone is exchanged for a PVT, unless it is what calls the operator.
"""

from typing import Any

import pytest
from whole_models import step_and_detect, step_and_segment, stock

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


@pytest.mark.parametrize('name', all_but_one_slow(DETECTORS))
def test_detector(name):
    model = stock('mmdet', name)
    exchange_backbone(model)
    step_and_detect(model)


@pytest.mark.slow
@pytest.mark.parametrize('name', DEFORMABLE_BACKBONES)
def test_deformable_backbone(name):
    model = stock('mmdet', name)
    model.backbone.init_cfg = None
    # residual branches otherwise begin as zero, without a gradient inside
    model.backbone.zero_init_residual = False
    step_and_detect(model, of_backbone='conv_offset')


@pytest.mark.slow
@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentor(name):
    model = stock('mmseg', name)
    exchange_backbone(model)
    heads = [(model.decode_head, 3), (model.auxiliary_head, 2)]
    for head, level in heads:
        head.in_channels, head.in_index = CHANNELS[level], level
    step_and_segment(model)
