"""Our configs of heads beside the four common ones take a step.

The backbone is a smaller one of the same kind, so only channels differ.
"""

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from whole_models import step_and_detect, step_and_segment

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
DETECTORS = [
    'pvt/retinanet_pvt-small_fpn_1x_coco-640',
    'pvt/atss_pvt-v2-b2_fpn_ms-crop-3x_coco',
    'pvt/gfl_pvt-v2-b2_fpn_ms-crop-3x_coco',
    'pvt/sparse-rcnn_pvt-v2-b2_fpn_ms-crop-3x_coco',
    'pvt/detr_pvt-small_50e_coco',
    'pvt/fcos_pvt-v2-b2_fpn_1x_coco',
    'cvt/fcos_cvt-13_fpn_1x_coco',
    'pvt/dino-4scale_pvt-v2-b2_12e_coco',
    'cvt/dino-4scale_cvt-13_12e_coco',
    'pvt/rtmdet_pvt-v2-b2_100e_coco',
    't2t/rtmdet_t2t-14_100e_coco',
    'pvt/mask2former_pvt-v2-b2_lsj-50e_coco',
]
SEGMENTORS = [
    'pvt/segformer_pvt-v2-b2_8xb2-160k_ade20k-512x512',
    'cvt/segformer_cvt-13_8xb2-160k_ade20k-512x512',
    'pvt/mask2former_pvt-v2-b2_8xb2-160k_ade20k-512x512',
]
BY_DEFAULT = {'pvt/atss_pvt-v2-b2_fpn_ms-crop-3x_coco', SEGMENTORS[0]}


def sampled(names: list[str]) -> list[Any]:
    """One of each head in the slow tests, the rest in soak."""
    params: list[Any] = []
    heads: set[str] = set()
    for name in names:
        head = name.split('/')[1].split('_')[0]
        mark = pytest.mark.soak if head in heads else pytest.mark.slow
        heads.add(head)
        marks = [] if name in BY_DEFAULT else [mark]
        params.append(pytest.param(name, marks=marks))
    return params


def model_of(name: str) -> Any:
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    model.backbone.init_cfg = None
    # stochastic depth would leave blocks without a gradient
    model.backbone.drop_path_rate = 0.0
    return model


@pytest.mark.parametrize('name', sampled(DETECTORS))
def test_detector(name: str) -> None:
    step_and_detect(model_of(name))


@pytest.mark.parametrize('name', sampled(SEGMENTORS))
def test_segmentor(name: str) -> None:
    step_and_segment(model_of(name))
