"""The plain forms: official outputs, and what the fast ones must equal."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from golden import assert_golden, golden_images
from mmengine.registry import MODELS

import vitdense.backbones  # noqa: F401
from vitdense.checkpoint import load_backbone
from vitdense.reference.plain_backbone import PlainBackbone, draw_weights

FOUR = dict(dims=(8, 16, 16, 24), depths=(1, 2, 1, 1), heads=(1, 2, 2, 3))
PVT = dict(**FOUR, mlp_ratios=(4, 4, 2, 2))
TINY = {
    'pvt-v1': ('PVT', dict(PVT, design='v1')),
    'pvt-v2': ('PVT', dict(PVT, design='v2')),
    'pvt-v2-li': ('PVT', dict(PVT, design='v2-li')),
    'cvt': (
        'CvT',
        dict(dims=(8, 16, 24), depths=(1, 1, 2), heads=(1, 2, 3)),
    ),
    't2t-pyramid': (
        'T2TViT',
        dict(
            FOUR,
            design='pyramid',
            mlp_ratios=(2, 2, 2, 2),
            reductions=(8, 4, 2, 1),
        ),
    ),
    **{
        f't2t-{design}': (
            'T2TViT',
            dict(
                design=design,
                dims=(8, 8, 12, 12),
                depths=(1, 1, 2, 1),
                heads=(1, 1, 3, 3),
                mlp_ratios=(1, 1, 2, 2),
                se_reduction=4,
            ),
        )
        for design in ('performer', 'transformer')
    },
}
PLAIN = dict(dim=16, depth=2, heads=2, mlp_ratio=2, position_px=64)
FREE = dict(PLAIN, class_slot=False, layer_scale=0.5, registers=2)
TINY |= {
    'vit-dinov2': (
        'ViT',
        dict(PLAIN, registers=2, patch=14, resize='bicubic-offset'),
    ),
    'vit-dinov3': ('ViT', dict(FREE, positions='rotary', mlp='swiglu')),
    'vit-parallel': ('ViT', dict(FREE, stem='hmlp', blocks='parallel')),
    'vit-windowed': (
        'ViT',
        dict(FREE, positions='sinusoid', patch=8, window=4, depth=3),
    ),
    'vit-windowed-rotary': (
        'ViT',
        dict(FREE, positions='rotary', patch=8, window=4, depth=3),
    ),
    'vit-cct': (
        'ViT',
        dict(
            PLAIN,
            stem='conv',
            blocks='cct',
            class_token=False,
            class_slot=False,
            resize='bilinear',
        ),
    ),
}
GOLDEN = [
    ('PVT', 'tiny', 'pvt_tiny', (96, 128)),
    ('PVT', 'v2-b0', 'pvt_v2_b0', (97, 131)),
    ('PVT', 'v2-b2-li', 'pvt_v2_b2_li', (256, 320)),
    ('CvT', '13', 'cvt_13', (100, 132)),
]


@pytest.mark.parametrize(('family', 'arch', 'weights', 'hw'), GOLDEN)
def test_golden(
    official_file: Callable[[str], str],
    family: str,
    arch: str,
    weights: str,
    hw: tuple[int, int],
) -> None:
    backbone = MODELS.build(dict(type=f'vitdense.{family}', arch=arch))
    load_backbone(backbone, official_file(weights))
    with torch.no_grad():
        levels = PlainBackbone(backbone)(golden_images(hw))
    assert_golden(levels, f'{weights}_{hw[0]}x{hw[1]}')


@pytest.mark.parametrize('name', sorted(TINY))
def test_equal(name: str) -> None:
    family, arch = TINY[name]
    config: dict[str, Any] = dict(type=f'vitdense.{family}', arch=arch)
    backbone = MODELS.build(config).eval()
    draw_weights(backbone)
    plain = PlainBackbone(backbone)
    images = torch.randn(2, 3, 68, 97)
    ours, expected = backbone(images), plain(images)
    gradients = [torch.randn(level.shape) for level in ours]
    for level, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(level, other, rtol=1e-4, atol=1e-5)
    learned = [p for p in backbone.parameters() if p.requires_grad]
    gained = torch.autograd.grad(ours, learned, gradients)
    wanted = torch.autograd.grad(expected, learned, gradients)
    # of all: some are zero but for rounding, such as those of keys' biases
    largest = max(float(q.abs().max()) for q in wanted)
    for p, q in zip(gained, wanted, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5 * largest)
