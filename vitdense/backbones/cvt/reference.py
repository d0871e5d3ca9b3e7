"""CvT (arXiv:2103.15808), written out.

B images, N tokens, C channels, H x W grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.backbones.cvt.archs import CvTArch
from vitdense.reference.weights import (
    Weights,
    attention,
    map_of,
    tokens_of,
)

EPS = BATCH_NORM_EPS = 1e-5


def levels(weights: Weights, arch: CvTArch, images: Tensor) -> list[Tensor]:
    """(B, C, H, W) -> the output of each stage, (B, C_i, H_i, W_i)."""
    outputs = []
    x = images
    for index in range(weights.count('stages')):
        w = weights.below(f'stages.{index}')
        stride, padding = (4, 2) if index == 0 else (2, 1)
        x = w.conv('patch_embed.proj', x, stride, padding)
        hw = (x.shape[2], x.shape[3])
        tokens = w.layer_norm('patch_embed.norm', tokens_of(x), EPS)
        prefix = 'cls_token' in w
        if prefix:
            cls_token = w['cls_token'].expand(len(x), -1, -1)
            tokens = torch.cat((cls_token, tokens), 1)
        for block in range(arch.depths[index]):
            b = w.below(f'blocks.{block}')
            y = b.layer_norm('norm1', tokens, EPS)
            heads = arch.heads[index]
            tokens = tokens + _attention(b.below('attn'), heads, y, hw)
            y = b.linear('mlp.fc1', b.layer_norm('norm2', tokens, EPS))
            tokens = tokens + b.linear('mlp.fc2', y * (1.702 * y).sigmoid())
        x = map_of(tokens[:, 1:] if prefix else tokens, hw)
        outputs.append(x)
    return outputs


def _attention(
    w: Weights, heads: int, y: Tensor, hw: tuple[int, int]
) -> Tensor:
    def project(name: str, stride: int) -> Tensor:
        cells = hw[0] * hw[1]
        prefix, grid = y[:, :-cells], map_of(y[:, -cells:], hw)
        conv = f'qkv.conv_{name}'
        grid = w.conv(f'{conv}.conv', grid, stride, 1, groups=grid.shape[1])
        grid = F.batch_norm(
            grid,
            w[f'{conv}.bn.running_mean'],
            w[f'{conv}.bn.running_var'],
            w[f'{conv}.bn.weight'],
            w[f'{conv}.bn.bias'],
            eps=BATCH_NORM_EPS,
        )
        joined = torch.cat((prefix, tokens_of(grid)), 1)
        return w.linear(f'qkv.{name}', joined)

    q, k, v = project('q', 1), project('k', 2), project('v', 2)
    # by all channels, not by those of a head
    scale = y.shape[2] ** -0.5
    return w.linear('proj', attention(q, k, v, heads, scale))
