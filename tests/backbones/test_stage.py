"""Stages hand on tokens: class and register tokens can cross them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.backbones.pvt import PVT
from vitdense.backbones.stage import Stage
from vitdense.layers.attention import Attention, KeepKeys, LinearQKV
from vitdense.layers.block import Block
from vitdense.layers.mlp import GELU, Mlp
from vitdense.layers.patch_embed import PatchEmbed
from vitdense.layers.token_conv import PatchConv
from vitdense.layers.tokens import prepend

PREFIX = 3  # a class token and two registers


class FirstStage(Stage):
    """Patches, and tokens before them."""

    num_prefix = PREFIX

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.prefix = nn.Parameter(torch.randn(1, PREFIX, self.dim))

    def embed(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        tokens, hw = super().embed(tokens, hw)
        return prepend(self.prefix, tokens), hw


class Carry(nn.Module):
    """The embedding of a stage that goes on with the tokens it is given."""

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        return tokens, hw

    def grid(self, size: int) -> int:
        return size


class NextStage(Stage):
    num_prefix = PREFIX


class Columnar(PVT):
    """Two stages of one width and stride, as the quarters of a plain ViT.

    Its family is that of PVT, so that no test that asks for all of them meets
    another.
    """

    def build_stages(
        self, arch: Any, in_channels: int, drop_path_rate: float
    ) -> Iterator[Stage]:
        def block() -> Block:
            qkv = LinearQKV(8, KeepKeys(), bias=True)
            return Block(
                8,
                Attention(8, 2, qkv),
                Mlp(8, 16, GELU),
                norm_eps=1e-6,
                drop_path_rate=drop_path_rate,
            )

        embed = PatchEmbed(PatchConv(in_channels, 8, 16), 1e-6)
        yield FirstStage(embed, [block()], nn.Identity(), 8, 16)
        yield NextStage(Carry(), [block()], nn.Identity(), 8, 1)


def test_prefix_tokens_cross_a_stage() -> None:
    torch.manual_seed(0)
    model = Columnar('tiny', out_indices=(0, 1), drop_path_rate=0.0).eval()
    assert model.out_strides == (16, 16)
    assert model.min_size == 16
    handed_on: list[Tensor] = []
    model.stages[1].blocks[0].register_forward_pre_hook(
        lambda module, args: handed_on.append(args[0])
    )
    levels = model(torch.randn(2, 3, 48, 80))
    assert [tuple(level.shape) for level in levels] == [(2, 8, 3, 5)] * 2
    assert handed_on[0].shape == (2, PREFIX + 15, 8)
    # the second level depends on what the first stage put before its tokens
    (grad,) = torch.autograd.grad(levels[1].sum(), model.stages[0].prefix)
    assert grad.abs().sum(-1).gt(0).all()
