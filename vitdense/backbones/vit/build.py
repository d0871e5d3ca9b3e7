"""From an arch to its parts."""

from torch import nn

from vitdense.backbones.vit.archs import ViTArch
from vitdense.backbones.vit.embedding import ConvStem, Embedding, HMLPStem
from vitdense.backbones.vit.mlp import SwiGLU
from vitdense.backbones.vit.positions import (
    LearnedPositions,
    SinusoidPositions,
)
from vitdense.backbones.vit.rotary import RotaryQKV
from vitdense.backbones.vit.windows import WindowedAttention
from vitdense.layers.attention import Attention, KeepKeys, LinearQKV
from vitdense.layers.block import Block
from vitdense.layers.layer_scale import LayerScale
from vitdense.layers.mlp import GELU, Mlp
from vitdense.layers.token_conv import PatchConv

TABLES = {'learned': LearnedPositions, 'sinusoid': SinusoidPositions}


def build_embedding(
    arch: ViTArch, in_channels: int, stem_indices: tuple[int, ...]
) -> Embedding:
    """The embedding of an arch, whose stem keeps some of its maps."""
    multiple = arch.patch
    if arch.stem == 'hmlp':
        stem: nn.Module = HMLPStem(in_channels, arch.dim, stem_indices)
    elif arch.stem == 'conv':
        stem = ConvStem(
            in_channels, arch.dim, arch.stem_kernel, arch.stem_convs
        )
        multiple = 1  # its convolutions pad by themselves
    else:
        stem = PatchConv(in_channels, arch.dim, arch.patch)
    positions = None
    if arch.positions in TABLES:
        positions = TABLES[arch.positions](
            arch.position_px // arch.stride,
            arch.dim,
            class_slot=arch.class_slot,
            resize=arch.resize,
        )
    return Embedding(
        stem,
        arch.dim,
        multiple,
        positions,
        class_token=arch.class_token,
        registers=arch.registers,
    )


def build_block(
    arch: ViTArch, kind: type[Block], window: int, drop_path_rate: float
) -> Block:
    """A block of an arch, or one branch of a parallel block."""
    dim, heads = arch.dim, arch.heads
    if arch.positions == 'rotary':
        qkv: nn.Module = RotaryQKV(
            dim, heads, bias=arch.qkv_bias, window=window
        )
    else:
        qkv = LinearQKV(dim, KeepKeys(), bias=arch.qkv_bias)
    if window:
        num_prefix = int(arch.class_token) + arch.registers
        attn: Attention = WindowedAttention(
            dim, heads, qkv, window=window, num_prefix=num_prefix
        )
    else:
        attn = Attention(dim, heads, qkv)
    hidden = round(dim * arch.mlp_ratio)
    swiglu = arch.mlp == 'swiglu'
    ls1, ls2 = (
        LayerScale(dim, arch.layer_scale) if arch.layer_scale else None
        for _ in range(2)
    )
    return kind(
        dim,
        attn,
        SwiGLU(dim, hidden) if swiglu else Mlp(dim, hidden, GELU),
        norm_eps=arch.norm_eps,
        drop_path_rate=drop_path_rate,
        ls1=ls1,
        ls2=ls2,
    )
