"""Tokens-to-Token ViT (arXiv:2101.11986) as a pyramid, written out.

B images, N tokens, C channels, H x W grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.backbones.t2t.archs import T2TArch
from vitdense.reference.weights import (
    Weights,
    attention,
    map_of,
    tokens_of,
)

EPS = 1e-5
PERFORMER_EPS = 1e-8


def levels(weights: Weights, arch: T2TArch, images: Tensor) -> list[Tensor]:
    """(B, C, H, W) -> the output of each stage, (B, C_i, H_i, W_i)."""
    outputs = []
    x = images
    for index in range(weights.count('stages')):
        w = weights.below(f'stages.{index}')
        published = arch.design != 'pyramid'
        tokens, hw = _soft_split(w.below('patch_embed'), index, x)
        if published and index < 2:
            unfolded = w['patch_embed.proj.weight'].shape[1]
            module = w.below('blocks.0')
            x = map_of(_t2t_module(module, arch, tokens, unfolded), hw)
            outputs.append(x)
            continue
        if published and index == 2:
            tokens = torch.cat(
                (w['cls_token'].expand(len(x), -1, -1), tokens), 1
            )
            tokens = tokens + _positions(w['pos_embed'], arch, hw)
        for block in range(w.count('blocks')):
            tokens = _block(
                w.below(f'blocks.{block}'), arch, index, tokens, hw
            )
        if published and index == 2:
            tokens = tokens[:, 1:]
        outputs.append(map_of(w.layer_norm('norm', tokens, EPS), hw))
        # what follows the published network goes on from before its norm
        x = map_of(tokens, hw) if published and index == 2 else outputs[-1]
    return outputs


def _soft_split(
    w: Weights, index: int, x: Tensor
) -> tuple[Tensor, tuple[int, int]]:
    kernel, stride, padding = (7, 4, 2) if index == 0 else (3, 2, 1)
    rows, cols = (
        (size + 2 * padding - kernel) // stride + 1 for size in x.shape[2:]
    )
    patches = F.unfold(x, kernel, 1, padding, stride).transpose(1, 2)
    if 'norm.weight' in w:
        patches = w.layer_norm('norm', patches, EPS)
    return w.linear('proj', patches), (rows, cols)


def _t2t_module(
    w: Weights, arch: T2TArch, projected: Tensor, unfolded: int
) -> Tensor:
    if arch.design == 'performer':
        k, q, v = projected.chunk(3, dim=-1)
        attended = _performer(q, k, v, w['attn.w'])
    else:
        q, k, v = projected.chunk(3, dim=-1)
        # the scale is that of the unfolded patch, not of the queries
        attended = attention(q, k, v, 1, unfolded**-0.5)
    tokens = v + w.linear('attn.proj', attended)
    return tokens + _mlp(w, tokens)


def _performer(q: Tensor, k: Tensor, v: Tensor, w: Tensor) -> Tensor:
    def features(x: Tensor) -> Tensor:
        exponent = x @ w.t() - x.pow(2).sum(-1, keepdim=True) / 2
        return exponent.exp() / len(w) ** 0.5

    kp, qp = features(k), features(q)
    total = torch.einsum('bnm,bm->bn', qp, kp.sum(1)).unsqueeze(2)
    summary = torch.einsum('bnc,bnm->bcm', v, kp)
    mixed = torch.einsum('bnm,bcm->bnc', qp, summary)
    return mixed / (total + PERFORMER_EPS)


def _positions(table: Tensor, arch: T2TArch, hw: tuple[int, int]) -> Tensor:
    side = arch.position_px // 16
    grid = map_of(table[:, 1:], (side, side))
    if hw != (side, side):
        grid = F.interpolate(grid, hw, mode='bicubic')
    return torch.cat((table[:, :1], tokens_of(grid)), 1)


def _block(
    w: Weights, arch: T2TArch, index: int, tokens: Tensor, hw: tuple[int, int]
) -> Tensor:
    if 'linear.weight' in w:  # between two groups of dense blocks
        return F.gelu(w.linear('linear', tokens))
    given = tokens
    y = w.layer_norm('norm1', tokens, EPS)
    keys = y
    reduction = arch.reductions[index]
    if reduction > 1:
        reduced = w.conv('attn.qkv.reduce.conv', map_of(y, hw), reduction, 0)
        keys = w.layer_norm('attn.qkv.reduce.norm', tokens_of(reduced), EPS)
    q = w.linear('attn.qkv.q', y)
    k, v = w.linear('attn.qkv.kv', keys).chunk(2, dim=-1)
    if 'attn.qkv.ghosts.0.gamma' in w:
        q, k, v = (
            torch.cat((t, t * w[f'attn.qkv.ghosts.{i}.gamma']), -1)
            for i, t in enumerate((q, k, v))
        )
    heads = arch.heads[index]
    scale = (q.shape[-1] // heads) ** -0.5
    y = w.linear('attn.proj', attention(q, k, v, heads, scale))
    if 'attn.se.fc1.weight' in w:
        squeezed = F.relu(w.linear('attn.se.fc1', y.mean(1, keepdim=True)))
        y = y * w.linear('attn.se.fc2', squeezed).sigmoid()
    tokens = tokens + y
    tokens = tokens + _mlp(w, tokens)
    if 'grow.weight' in w:
        return torch.cat((given, w.linear('grow', tokens)), -1)
    return tokens


def _mlp(w: Weights, tokens: Tensor) -> Tensor:
    y = w.layer_norm('norm2', tokens, EPS)
    hidden = F.gelu(w.linear('mlp.fc1', y))
    ghosts = [
        F.gelu(hidden * w[f'mlp.ghosts.{i}.gamma'])
        for i in range(w.count('mlp.ghosts'))
    ]
    return w.linear('mlp.fc2', torch.cat((hidden, *ghosts), -1))
