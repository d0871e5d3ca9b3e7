"""The official files in ``tests/data``, and the archs that they fill."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

import vitdense.backbones  # noqa: F401  families are known once imported
from vitdense.backbones.pyramid import PyramidBackbone, known_backbones

BACKBONES = {
    each.family.name: each
    for each in known_backbones()
    if each.__module__.startswith('vitdense.')
}

# Name of the state dict: family and arch
OFFICIAL = {
    'pvt_tiny': ('pvt', 'tiny'),
    'pvt_small': ('pvt', 'small'),
    'pvt_medium': ('pvt', 'medium'),
    'pvt_large': ('pvt', 'large'),
    'pvt_v2_b0': ('pvt', 'v2-b0'),
    'pvt_v2_b1': ('pvt', 'v2-b1'),
    'pvt_v2_b2': ('pvt', 'v2-b2'),
    'pvt_v2_b2_li': ('pvt', 'v2-b2-li'),
    'pvt_v2_b3': ('pvt', 'v2-b3'),
    'pvt_v2_b4': ('pvt', 'v2-b4'),
    'pvt_v2_b5': ('pvt', 'v2-b5'),
    'cvt_13': ('cvt', '13'),
    'cvt_21': ('cvt', '21'),
    'cvt_w24': ('cvt', 'w24'),
    't2t_vit_7': ('t2t', '7'),
    't2t_vit_10': ('t2t', '10'),
    't2t_vit_12': ('t2t', '12'),
    't2t_vit_14': ('t2t', '14'),
    't2t_vit_14_se': ('t2t', '14-se'),
    't2t_vit_16_ghost': ('t2t', '16-ghost'),
    't2t_vit_dense': ('t2t', 'dense'),
    't2t_vit_19': ('t2t', '19'),
    't2t_vit_24': ('t2t', '24'),
    't2t_vit_t_14': ('t2t', 't-14'),
    't2t_vit_t_19': ('t2t', 't-19'),
    't2t_vit_t_24': ('t2t', 't-24'),
    'deit_small_patch16_18x2': ('vit', 'small-18x2'),
    'deit_small_patch16_18x2_LS': ('vit', 'small-18x2-ls'),
}


def build(family: str, **config: Any) -> PyramidBackbone:
    """A backbone of vitdense."""
    return BACKBONES[family](**config)


@cache
def model_shapes(family: str, arch: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of an arch's tensors."""
    with torch.device('meta'):
        model = build(family, arch=arch)
    return {k: tuple(v.shape) for k, v in model.state_dict().items()}


def blank(name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a state dict without values."""
    counts = name.endswith('num_batches_tracked')
    dtype = torch.long if counts else torch.float32
    return torch.empty(shape, dtype=dtype, device='meta')
