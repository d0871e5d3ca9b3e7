"""Our configs of heads beside the four common ones take a step.

The backbone is a smaller one of the same kind, so only channels differ.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from timm_alone import import_timm
from whole_models import step_and_detect, step_and_segment

from vitdense.backbones.vit import ViT

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
    'cvt/rtmdet_cvt-13_100e_coco',
    'pvt/mask2former_pvt-v2-b2_lsj-50e_coco',
    'cvt/mask2former_cvt-13_lsj-50e_coco',
]
SEGMENTORS = [
    'pvt/segformer_pvt-v2-b2_8xb2-160k_ade20k-512x512',
    'cvt/segformer_cvt-13_8xb2-160k_ade20k-512x512',
    'pvt/mask2former_pvt-v2-b2_8xb2-160k_ade20k-512x512',
    'cvt/mask2former_cvt-13_8xb2-160k_ade20k-512x512',
]
PLAIN_DETECTORS = [
    'vit/mask-rcnn_vit-vitdet-b_sfp_lsj-100e_coco',
    'vit/mask-rcnn_vit-dinov2-s_sfp_lora-lsj-100e_coco',
    'vit/mask-rcnn_vit-dinov3-s_sfp_frozen-lsj-100e_coco',
    'vit/cascade-mask-rcnn_vit-vitdet-b_sfp_lsj-100e_coco',
    'vit/fcos_vit-dinov3-s_sfp_1x_coco',
    'vit/dino-4scale_vit-dinov3-s_12e_coco',
    'vit/rtmdet_vit-dinov3-s_100e_coco',
    'vit/mask2former_vit-dinov3-s_lsj-50e_coco',
]
PLAIN_SEGMENTORS = [
    'vit/linear_vit-dinov2-s_8xb2-40k_ade20k-512x512',
    'vit/linear_vit-dinov3-s_8xb2-40k_ade20k-512x512',
    'vit/semantic-fpn_vit-dinov2-s_4xb4-80k_ade20k-512x512',
    'vit/semantic-fpn_vit-small-18x2_4xb4-80k_ade20k-512x512',
    'vit/semantic-fpn_vit-cct-14-7x2_4xb4-80k_ade20k-512x512',
    'vit/upernet_vit-dinov3-s_8xb2-160k_ade20k-512x512',
    'vit/segformer_vit-dinov3-s_8xb2-160k_ade20k-512x512',
    'vit/mask2former_vit-dinov3-s_8xb2-160k_ade20k-512x512',
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


def shallow_vit(name: str) -> Any:
    """The model of a config of plain ViTs, with a block for each map."""
    model = model_of(name)
    backbone = model.backbone
    maps = len(backbone.get('out_indices', range(4)))
    arch = replace(ViT.family.archs[backbone.arch], depth=maps)
    backbone.update(arch=asdict(arch), out_indices=tuple(range(maps)))
    return model


@pytest.mark.slow
@pytest.mark.parametrize('name', PLAIN_DETECTORS)
def test_detector_of_a_plain_vit(name: str) -> None:
    model = shallow_vit(name)
    # an adapter's first matrix has no gradient while the second is 0
    part = 'lora_B' if model.backbone.get('tune') == 'lora' else ''
    step_and_detect(model, of_backbone=part)


@pytest.mark.parametrize(
    'name',
    [
        PLAIN_SEGMENTORS[0],
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in PLAIN_SEGMENTORS[1:]
        ),
    ],
)
def test_segmentor_of_a_plain_vit(name: str) -> None:
    step_and_segment(shallow_vit(name))


@pytest.mark.slow
def test_detector_of_a_baseline() -> None:
    import_timm()
    model = model_of('baselines/mask-rcnn_mobilenet-v2_fpn_1x_coco')
    step_and_detect(model)


@pytest.mark.slow
def test_segmentor_of_a_baseline() -> None:
    import_timm()
    name = 'baselines/semantic-fpn_mobilenet-v3-large_4xb4-80k_ade20k-512x512'
    step_and_segment(model_of(name))
