"""PVT v1 (arXiv:2102.12122) and v2 (arXiv:2106.13797), written out.

B images, N tokens, C channels, H x W grid.
"""

import torch.nn.functional as F
from torch import Tensor

from vitdense.backbones.pvt.archs import PVTArch
from vitdense.reference.weights import (
    Weights,
    attention,
    map_of,
    tokens_of,
)

BLOCK_EPS = 1e-6
EMBED_EPS = KEY_EPS = 1e-5


def levels(weights: Weights, arch: PVTArch, images: Tensor) -> list[Tensor]:
    """(B, C, H, W) -> the output of each stage, (B, C_i, H_i, W_i)."""
    outputs = []
    x = images
    for index in range(weights.count('stages')):
        x = _stage(weights.below(f'stages.{index}'), arch, index, x)
        outputs.append(x)
    return outputs


def _stage(w: Weights, arch: PVTArch, index: int, x: Tensor) -> Tensor:
    stride = 4 if index == 0 else 2
    padding = 0 if arch.design == 'v1' else stride - 1
    x = w.conv('patch_embed.proj', x, stride, padding)
    hw = (x.shape[2], x.shape[3])
    tokens = w.layer_norm('patch_embed.norm', tokens_of(x), EMBED_EPS)
    if arch.design == 'v1':
        side = arch.position_px // (4 << index)
        grid = map_of(w['pos_embed'], (side, side))
        tokens = tokens + tokens_of(F.interpolate(grid, hw, mode='bilinear'))
    for block in range(arch.depths[index]):
        b = w.below(f'blocks.{block}')
        y = b.layer_norm('norm1', tokens, BLOCK_EPS)
        tokens = tokens + _attention(b.below('attn'), arch, index, y, hw)
        y = b.layer_norm('norm2', tokens, BLOCK_EPS)
        tokens = tokens + _mlp(b.below('mlp'), arch, y, hw)
    if arch.design != 'v1':
        tokens = w.layer_norm('norm', tokens, BLOCK_EPS)
    return map_of(tokens, hw)


def _attention(
    w: Weights, arch: PVTArch, index: int, y: Tensor, hw: tuple[int, int]
) -> Tensor:
    keys = y
    reduction = arch.reductions[index]
    if arch.design == 'v2-li':
        pooled = F.adaptive_avg_pool2d(map_of(y, hw), 7)
        keys = tokens_of(w.conv('qkv.reduce.conv', pooled, 1, 0))
        keys = F.gelu(w.layer_norm('qkv.reduce.norm', keys, KEY_EPS))
    elif reduction > 1:
        reduced = w.conv('qkv.reduce.conv', map_of(y, hw), reduction, 0)
        keys = w.layer_norm('qkv.reduce.norm', tokens_of(reduced), KEY_EPS)
    q = w.linear('qkv.q', y)
    k, v = w.linear('qkv.kv', keys).chunk(2, dim=-1)
    heads = arch.heads[index]
    scale = (arch.dims[index] // heads) ** -0.5
    return w.linear('proj', attention(q, k, v, heads, scale))


def _mlp(w: Weights, arch: PVTArch, y: Tensor, hw: tuple[int, int]) -> Tensor:
    y = w.linear('fc1', y)
    if arch.design == 'v2-li':
        y = F.relu(y)
    if arch.design != 'v1':
        x = map_of(y, hw)
        y = tokens_of(w.conv('dwconv', x, 1, 1, groups=x.shape[1]))
    return w.linear('fc2', F.gelu(y))
