"""Every config loads, builds, and is consistent from backbone to heads."""

from argparse import ArgumentParser
from itertools import chain
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from torch import nn

import vitdense  # noqa: F401 - before mmdet and mmseg, as our tools do

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path
    for family in ('pvt', 'cvt', 't2t', 'quickstart')
    for path in (ROOT / 'configs' / family).glob('*.py')
)
BASES = sorted((ROOT / 'configs' / '_base_' / 'backbones').glob('*.py'))

PVT_ARCHS = (
    'tiny small medium large '
    'v2-b0 v2-b1 v2-b2 v2-b2-li v2-b3 v2-b4 v2-b5'
).split()


def load(path: Path) -> Config:
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = None
    return cfg


def build(cfg: Config) -> nn.Module:
    with (
        DefaultScope.overwrite_default_scope(cfg.default_scope),
        torch.device('meta'),
    ):
        return MODELS.build(cfg.model)


def expected_names() -> set[str]:
    """The matrix of configs that this project promises."""
    for_all = (
        'retinanet_{}_fpn_1x_coco',
        'mask-rcnn_{}_fpn_1x_coco',
        'semantic-fpn_{}_4xb4-80k_ade20k-512x512',
        'upernet_{}_8xb2-160k_ade20k-512x512',
    )
    pvt = [f'pvt-{arch}' for arch in PVT_ARCHS]
    others = ['cvt-13', 'cvt-21']
    others += [f't2t-{a}' for a in ('14', 't-14', '19')]
    others += ['t2t-pyramid-t', 't2t-pyramid-s']
    one_head = ['cvt-w24'] + [
        f't2t-{arch}'
        for arch in '7 10 12 24 t-19 t-24 14-se 14-resnext 14-wide'.split()
    ]
    ms_3x = ['pvt-v2-b2', 'pvt-v2-b2-li']
    return {
        *(name.format(b) for b in pvt + others for name in for_all),
        *(f'semantic-fpn_{b}_8xb4-40k_ade20k-512x512' for b in pvt),
        *(f'mask-rcnn_{b}_fpn_1x_coco' for b in one_head),
        *(f'mask-rcnn_{b}_fpn_ms-crop-3x_coco' for b in ms_3x),
        *(
            f'cascade-mask-rcnn_{b}_fpn_ms-crop-3x_coco'
            for b in [*ms_3x, 'cvt-13', 't2t-14']
        ),
    }


def test_the_whole_matrix_is_there() -> None:
    names = {p.stem for p in CONFIGS if p.parent.name != 'quickstart'}
    assert names == expected_names()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_is_consistent(path: Path) -> None:
    cfg = load(path)
    model = build(cfg)
    strides = model.backbone.out_strides
    channels = model.backbone.out_channels
    assert tuple(cfg.get('out_channels', channels)) == channels
    if model.with_neck:
        assert tuple(model.neck.in_channels) == channels
        strides = neck_strides(model.neck, strides)
        channels = (model.neck.out_channels,) * len(strides)
    if cfg.default_scope == 'mmseg':
        check_segmentor(model, channels, strides)
    else:
        check_detector(model, strides)


def neck_strides(neck: nn.Module, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an FPN's outputs: each extra level halves the last."""
    levels = list(strides[neck.start_level :])
    while len(levels) < neck.num_outs:
        levels.append(levels[-1] * 2)
    assert len(levels) == neck.num_outs
    return tuple(levels)


def check_detector(model: nn.Module, strides: tuple[int, ...]) -> None:
    dense = model.rpn_head if hasattr(model, 'rpn_head') else model.bbox_head
    anchors = dense.prior_generator.strides
    assert [(s, s) for s in strides] == anchors
    if hasattr(model, 'roi_head'):
        for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
            extractor = getattr(model.roi_head, name)
            for one in extractor if name[0] == 'c' else flat(extractor):
                count = len(one.featmap_strides)
                assert tuple(one.featmap_strides) == strides[:count]


def flat(module: nn.Module) -> list[nn.Module]:
    """The extractors of a cascade, or the one there is."""
    return list(module) if isinstance(module, nn.ModuleList) else [module]


def check_segmentor(
    model: nn.Module, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    head = model.decode_head
    assert list(head.in_index) == list(range(len(channels)))
    assert tuple(head.in_channels) == channels
    if hasattr(head, 'feature_strides'):
        assert tuple(head.feature_strides) == strides
    if model.with_auxiliary_head:
        aux = model.auxiliary_head
        assert aux.in_channels == channels[aux.in_index]
        assert strides[aux.in_index] == 16
    assert head.num_classes == head.conv_seg.out_channels
"""Drop path, official weights and decay below are facts of the papers."""


@pytest.mark.parametrize(
    ('name', 'rate'),
    [
        *((f'pvt/retinanet_pvt-{a}_fpn_1x_coco', 0.1) for a in ('tiny', 'small')),
        ('pvt/mask-rcnn_pvt-v2-b5_fpn_1x_coco', 0.1),
        ('pvt/retinanet_pvt-medium_fpn_1x_coco', 0.0),
        ('pvt/mask-rcnn_pvt-medium_fpn_1x_coco', 0.0),
        ('pvt/retinanet_pvt-large_fpn_1x_coco', 0.0),
        ('pvt/mask-rcnn_pvt-large_fpn_1x_coco', 0.0),
        ('pvt/semantic-fpn_pvt-large_8xb4-40k_ade20k-512x512', 0.1),
        ('cvt/mask-rcnn_cvt-13_fpn_1x_coco', 0.1),
    ],
)
def test_drop_path_is_the_published_one(name: str, rate: float) -> None:
    model = build(load(ROOT / 'configs' / f'{name}.py'))
    last = model.backbone.stages[-1].blocks[-1]
    assert last.drop_path.rate == pytest.approx(rate)
