"""FLOPs against those of the official code (``architectures.md``)."""

from functools import lru_cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

import vitdense.backbones  # noqa: F401
from vitdense.benchmark.cost.flops import count_flops

# GMAC of the official detection backbones, or of the classifiers, whose
# heads count for less than 0.01 %
OFFICIAL = [
    ('PVT', 'tiny', 512, 11.74),
    ('PVT', 'small', 512, 23.03),
    ('PVT', 'medium', 512, 39.51),
    ('PVT', 'large', 512, 58.08),
    ('PVT', 'v2-b0', 512, 3.80),
    ('PVT', 'v2-b1', 512, 12.69),
    ('PVT', 'v2-b2', 512, 24.18),
    ('PVT', 'v2-b2-li', 512, 19.40),
    ('PVT', 'v2-b3', 512, 40.81),
    ('PVT', 'v2-b4', 512, 59.63),
    ('PVT', 'v2-b5', 512, 69.41),
    ('PVT', 'v2-b0', 224, 0.566),
    ('PVT', 'v2-b2-li', 224, 3.889),
    ('CvT', '13', 224, 4.566),
    ('CvT', '13', 384, 16.269),
    ('CvT', '21', 224, 7.178),
    ('CvT', 'w24', 384, 194.22),
    ('T2TViT', '7', 224, 1.147),
    ('T2TViT', '10', 224, 1.516),
    ('T2TViT', '14', 224, 4.783),
    ('T2TViT', '24', 224, 13.662),
    ('T2TViT', 't-14', 224, 6.089),
    ('T2TViT', '14-se', 224, 4.784),
    ('ViT', 'cct-7-3x1', 32, 1.182),
    ('ViT', 'cct-14-7x2', 224, 5.522),
    ('ViT', 'base', 224, 17.58),  # as timm counts DeiT-B
]


@lru_cache
def published(family: str, arch: str) -> nn.Module:
    """The backbone on ``meta``, as it was published."""
    config: dict[str, Any] = dict(type=f'vitdense.{family}', arch=arch)
    if family == 'T2TViT':
        config['out_indices'] = (0, 1, 2)
    with torch.device('meta'):
        return MODELS.build(config)


@pytest.mark.parametrize(('family', 'arch', 'side', 'gmacs'), OFFICIAL)
def test_official(family: str, arch: str, side: int, gmacs: float) -> None:
    model = published(family, arch)
    count = count_flops(model, (side, side))
    assert count.macs / 1e9 == pytest.approx(gmacs, rel=0.01)
    assert count.parameters == sum(p.numel() for p in model.parameters())


class Toy(nn.Module):
    """Attention of an image's rows to each other."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, images: Tensor) -> Tensor:
        if self.fused:
            return F.scaled_dot_product_attention(images, images, images)
        return (images @ images.transpose(2, 3)).softmax(3) @ images


@pytest.mark.parametrize('fused', [False, True])
def test_attention_counts_whichever_kernel_computes_it(fused: bool) -> None:
    macs = count_flops(Toy(fused=fused), (16, 8), batch=2).macs
    assert macs == 2 * (2 * 3) * 16 * 16 * 8


def test_model_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    count_flops(model, (8, 8))
    assert model[0].weight.device.type == 'cpu'
    assert model.training
    assert model[1].num_batches_tracked == 0


def test_positions_that_are_handed_on_do_not_hinder() -> None:
    """DeiT-Tiny by hand: patches, then projections, attention and MLP."""
    dim, cells = 192, 14 * 14
    tokens = cells + 1
    block = tokens * 12 * dim**2 + 2 * tokens**2 * dim
    model = MODELS.build(dict(type='vitdense.ViT', arch='tiny'))
    found = count_flops(model, (224, 224))
    assert found.macs == cells * 16 * 16 * 3 * dim + 12 * block
    assert all(each.requires_grad for each in model.parameters())
