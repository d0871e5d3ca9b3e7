"""mmdet's and mmseg's own configs that call these operators take a step.

Their backbone is exchanged for a PVT, unless it is what calls the operator.
"""

from typing import Any

import pytest
from mmengine.registry import DefaultScope
from stock_heads.fit import exchange
from whole_models import step_and_detect, step_and_segment, stock

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


def with_pvt(library: str, name: str) -> Any:
    """The model of a config that is shipped, with a small PVT."""
    model = stock(library, name)
    model.pop('pretrained', None)
    with DefaultScope.overwrite_default_scope(library):
        exchange(library, model, 'PVT')
    return model


@pytest.mark.parametrize('name', all_but_one_slow(DETECTORS))
def test_detector(name):
    step_and_detect(with_pvt('mmdet', name))


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
    step_and_segment(with_pvt('mmseg', name))
