"""The simple feature pyramid: levels, strides, and who is held to them."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from interpreter import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

import vitdense
from vitdense.necks import SimpleFeaturePyramid
from vitdense.preflight.strides import check_strides

CONFIG = ROOT / 'configs/quickstart/mask-rcnn_vit-mini_sfp_shapes.py'


@pytest.mark.parametrize('hw', [(1, 1), (3, 5), (8, 8), (14, 56)])
@torch.no_grad()
def test_levels(hw: tuple[int, int]) -> None:
    neck = SimpleFeaturePyramid([16], out_channels=8, num_outs=6)
    assert neck.out_strides == (4, 8, 16, 32, 64, 128)
    levels = neck((torch.randn(2, 16, *hw),))
    for level, stride in zip(levels, neck.out_strides, strict=True):
        cells = tuple(-(-size * 16 // stride) for size in hw)
        assert tuple(level.shape) == (2, 8, *cells)


def plain_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    mean = x.mean(1, keepdim=True)
    var = (x - mean).square().mean(1, keepdim=True)
    normed = (x - mean) / (var + 1e-6).sqrt()
    return normed * norm.weight[:, None, None] + norm.bias[:, None, None]


@torch.no_grad()
def test_equals_what_the_paper_says() -> None:
    neck: Any = SimpleFeaturePyramid([16], out_channels=8)
    for p in neck.parameters():
        p.normal_(0, 0.3)
    x = torch.randn(1, 16, 6, 10)
    levels = neck([x])
    first, second = neck.levels[:2]
    made = F.conv_transpose2d(x, first[0].weight, first[0].bias, 2)
    made = F.gelu(plain_norm(made, first[1]))
    made = F.conv_transpose2d(made, first[3].weight, first[3].bias, 2)
    finer = F.conv_transpose2d(x, second[0].weight, second[0].bias, 2)
    pooled = F.max_pool2d(x, 2, 2)
    for index, (given, level) in enumerate(
        zip((made, finer, x, pooled), neck.levels, strict=True)
    ):
        narrow, norm, conv, last = level[-4:]
        y = plain_norm(F.conv2d(given, narrow.weight), norm)
        y = plain_norm(F.conv2d(y, conv.weight, padding=1), last)
        torch.testing.assert_close(levels[index], y, rtol=1e-4, atol=1e-5)
    assert torch.equal(levels[4], levels[3][..., ::2, ::2])


@pytest.mark.parametrize('start', [1, 2, 3])
@torch.no_grad()
def test_finer_levels_can_be_left_out(start: int) -> None:
    """The others are as they were, and nothing is made that is not used."""
    whole = SimpleFeaturePyramid([16], out_channels=8, num_outs=6)
    part = SimpleFeaturePyramid(
        [16], out_channels=8, num_outs=6 - start, start_level=start
    )
    part.levels.load_state_dict(whole.levels[start:].state_dict())
    assert part.out_strides == whole.out_strides[start:]
    maps = [torch.randn(1, 16, 5, 7)]
    levels = part(maps)
    assert len(levels) == 6 - start
    for level, same in zip(levels, whole(maps)[start:], strict=True):
        assert torch.equal(level, same)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'in_channels': [16, 16]}, r'in_channels=\[16, 16\] .* of one map'),
        ({'in_channels': 16}, 'in_channels=16'),
        ({'in_channels': [2]}, 'in_channels=2'),
        ({'num_outs': 3}, 'num_outs=3 .* from 4 on'),
        ({'num_outs': 2, 'start_level': 1}, 'num_outs=2 .* from 3 on'),
        ({'start_level': 4}, r'start_level=4 must be one of \[0, 1, 2, 3\]'),
        ({'start_level': True}, 'start_level=True'),
        ({'in_stride': '16'}, "in_stride='16'"),
        ({'out_channels': 0}, 'out_channels=0'),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimpleFeaturePyramid(**{'in_channels': [16], **options})


def test_declares_strides_of_patch_14() -> None:
    neck = SimpleFeaturePyramid([16], in_stride=14)
    assert neck.out_strides == (3.5, 7, 14, 28, 56)
    assert vitdense.SimpleFeaturePyramid is SimpleFeaturePyramid


def detector(path: Path, **options: Any) -> Any:
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options)
    with (
        DefaultScope.overwrite_default_scope(cfg.default_scope),
        torch.device('meta'),
    ):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'model.neck.in_stride': 14},
            r'neck\.in_stride=14 .* model\.backbone.* \[16\]',
        ),
        (
            {'model.backbone.arch.patch': 8},
            r'neck\.in_stride=16 .* model\.backbone.* \[8\]',
        ),
        (
            {'model.neck.num_outs': 5},
            r'rpn_head\.anchor_generator\.strides=\[4, 8, 16, 32\] .*64\]',
        ),
        (
            {
                'model.rpn_head.anchor_generator.strides': [8, 16, 32, 64],
            },
            r'rpn_head\.anchor_generator\.strides=\[8, 16, 32, 64\] does',
        ),
        (
            {
                'model.roi_head.bbox_roi_extractor.featmap_strides': [
                    *(8, 16, 32, 64)
                ],
            },
            r'roi_head\.bbox_roi_extractor\.featmap_strides=\[8, 16, 32, 64\]',
        ),
    ],
)
def test_other_strides_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_strides(detector(CONFIG, **options))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        (
            'rtmdet_vit-dinov3-s_100e_coco',
            {'model.neck.0.in_stride': 14},
            r'model\.neck\.0\.in_stride=14 .* model\.backbone.* \[16\]',
        ),
        (
            'fcos_vit-dinov3-s_sfp_1x_coco',
            {'model.neck.start_level': 0, 'model.neck.num_outs': 6},
            r'strides=\[8, 16, .* \[4, 8, 16, 32, 64, 128\]',
        ),
        (
            'cascade-mask-rcnn_vit-vitdet-b_sfp_lsj-100e_coco',
            {
                'model.roi_head.mask_roi_extractor.featmap_strides': [
                    *(8, 16, 32, 64)
                ]
            },
            r'roi_head\.mask_roi_extractor\.featmap_strides=\[8, 16, 32, 64\]',
        ),
    ],
)
def test_other_strides_of_other_heads_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_strides(detector(ROOT / f'configs/vit/{name}.py', **options))


def test_the_quick_start_fits() -> None:
    check_strides(detector(CONFIG))
