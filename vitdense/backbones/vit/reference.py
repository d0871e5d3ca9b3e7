"""Plain Vision Transformers, written out.

B images, P prefix tokens, N tokens, C channels, H x W grid, D of a head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.backbones.vit.archs import ViTArch
from vitdense.layers.position import sinusoid_table
from vitdense.reference.weights import (
    Weights,
    attention,
    map_of,
    tokens_of,
)


def levels(weights: Weights, arch: ViTArch, images: Tensor) -> list[Tensor]:
    """(B, C, H, W) -> the normed output of every block, (B, C, H', W')."""
    outputs = []
    tokens, hw = _embed(weights.below('stages.0.patch_embed'), arch, images)
    prefix = int(arch.class_token) + arch.registers
    for index in range(weights.count('stages')):
        w = weights.below(f'stages.{index}.blocks.0')
        tokens = _block(w, arch, index, tokens, hw)
        normed = weights.layer_norm('norm', tokens, arch.norm_eps)
        outputs.append(map_of(normed[:, prefix:], hw))
    return outputs


def _embed(
    w: Weights, arch: ViTArch, images: Tensor
) -> tuple[Tensor, tuple[int, int]]:
    x = images
    if arch.stem != 'conv':
        down, right = (-size % arch.patch for size in images.shape[2:])
        x = F.pad(images, (0, right, 0, down))
    if arch.stem == 'patch':
        x = w.conv('proj', x, arch.patch, 0)
    for index in range(w.count('proj.convs')):
        if arch.stem == 'hmlp':
            x = w.conv(f'proj.convs.{index}', x, 2 if index else 4, 0)
            x = _batch_norm(w.below(f'proj.norms.{index}'), x)
            x = F.gelu(x) if index < 2 else x
        else:
            stride = max(1, arch.stem_kernel // 2 - 1)
            padding = max(1, arch.stem_kernel // 2)
            x = F.relu(w.conv(f'proj.convs.{index}', x, stride, padding))
            x = F.max_pool2d(x, 3, 2, 1)
    hw = (x.shape[2], x.shape[3])
    tokens = tokens_of(x)
    first = tokens[:, :0]
    if arch.class_token:
        first = w['cls_token'].expand(len(x), -1, -1)
    if arch.positions != 'rotary':
        slot, grid = _positions(w, arch, hw)
        tokens = tokens + grid
        if arch.class_slot:
            first = first + slot
    registers = tokens[:, :0]
    if arch.registers:
        registers = w['registers'].expand(len(x), -1, -1)
    return torch.cat((first, registers, tokens), 1), hw


def _batch_norm(w: Weights, x: Tensor) -> Tensor:
    mean, var = w['running_mean'], w['running_var']
    return F.batch_norm(x, mean, var, w['weight'], w['bias'], eps=1e-5)


def _positions(
    w: Weights, arch: ViTArch, hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    side = arch.position_px // arch.stride
    slots = int(arch.class_slot)
    if arch.positions == 'learned':
        table = w['positions.pos_embed']
    else:
        table = sinusoid_table(slots + side * side, arch.dim)
    grid = map_of(table[:, slots:], (side, side))
    if hw != (side, side):
        mode = arch.resize.partition('-')[0]
        if arch.resize == 'bicubic-offset':
            scale = ((hw[0] + 0.1) / side, (hw[1] + 0.1) / side)
            grid = F.interpolate(grid, scale_factor=scale, mode=mode)
        else:
            smooth = arch.resize == 'bicubic-antialias'
            grid = F.interpolate(grid, hw, mode=mode, antialias=smooth)
    return table[:, :slots], tokens_of(grid)


def _block(
    w: Weights, arch: ViTArch, index: int, x: Tensor, hw: tuple[int, int]
) -> Tensor:
    if arch.blocks == 'parallel':
        sides = [w.below('branches.0'), w.below('branches.1')]
    else:
        sides = [w]
    given = x
    for side in sides:
        y = side.layer_norm('norm1', given, arch.norm_eps)
        y = _attention(side.below('attn'), arch, index, y, hw)
        x = x + _scaled(side, 'ls1', y)
    given = x
    for side in sides:
        y = side.layer_norm('norm2', given, arch.norm_eps)
        if arch.blocks == 'cct':
            x = y
        x = x + _scaled(side, 'ls2', _mlp(side.below('mlp'), arch, y))
    return x


def _scaled(w: Weights, name: str, y: Tensor) -> Tensor:
    return y * w[f'{name}.gamma'] if f'{name}.gamma' in w else y


def _mlp(w: Weights, arch: ViTArch, y: Tensor) -> Tensor:
    hidden = w.linear('fc1', y)
    if arch.mlp == 'swiglu':
        return w.linear('fc2', F.silu(hidden) * w.linear('gate', y))
    return w.linear('fc2', F.gelu(hidden))


def _attention(
    w: Weights, arch: ViTArch, index: int, y: Tensor, hw: tuple[int, int]
) -> Tensor:
    if index not in arch.windowed:
        return _attend(w, arch, y, _places(hw, hw).flatten(0, 1))
    prefix = int(arch.class_token) + arch.registers
    rows, cols = (min(arch.window, size) for size in hw)
    down, right = -(-hw[0] // rows), -(-hw[1] // cols)
    grid = map_of(y[:, prefix:], hw)
    grid = F.pad(grid, (0, right * cols - hw[1], 0, down * rows - hw[0]))
    places = _places(hw, (down * rows, right * cols))
    result = torch.empty_like(grid)
    first = torch.zeros_like(y[:, :prefix])
    for i in range(down):
        for j in range(right):
            window = (
                slice(i * rows, (i + 1) * rows),
                slice(j * cols, (j + 1) * cols),
            )
            place = (..., *window)
            inside = torch.cat((y[:, :prefix], tokens_of(grid[place])), 1)
            out = _attend(w, arch, inside, places[window].flatten(0, 1))
            first = first + out[:, :prefix] / (down * right)
            result[place] = map_of(out[:, prefix:], (rows, cols))
    return torch.cat((first, tokens_of(result[..., : hw[0], : hw[1]])), 1)


def _attend(w: Weights, arch: ViTArch, y: Tensor, places: Tensor) -> Tensor:
    q = w.linear('qkv.q', y)
    if arch.positions == 'rotary':
        k, v = w.linear('qkv.k', y), w.linear('qkv.v', y)
        q, k = (_rotated(t, arch, places) for t in (q, k))
    else:
        k, v = w.linear('qkv.kv', y).chunk(2, dim=-1)
    scale = (arch.dim // arch.heads) ** -0.5
    return w.linear('proj', attention(q, k, v, arch.heads, scale))


def _places(hw: tuple[int, int], filled: tuple[int, int]) -> Tensor:
    """Coordinates of cells, (H', W', 2); those of the image in [-1, 1]."""
    rows, cols = (
        (torch.arange(many) + 0.5) / size * 2 - 1
        for many, size in zip(filled, hw, strict=True)
    )
    return torch.cartesian_prod(rows, cols).unflatten(0, filled)


def _rotated(tokens: Tensor, arch: ViTArch, places: Tensor) -> Tensor:
    head_dim = arch.dim // arch.heads
    steps = torch.arange(head_dim // 4)
    periods = 100 ** (2 * steps / (head_dim / 2))
    angles = 2 * math.pi * places[:, :, None] / periods
    angles = angles.flatten(1).repeat(1, 2)  # (N, D)
    x = tokens[:, tokens.shape[1] - len(angles) :]
    x = x.unflatten(2, (arch.heads, head_dim))
    turned = torch.cat((-x[..., head_dim // 2 :], x[..., : head_dim // 2]), -1)
    x = x * angles.cos()[:, None] + turned * angles.sin()[:, None]
    return torch.cat((tokens[:, : -len(angles)], x.flatten(2)), 1)
