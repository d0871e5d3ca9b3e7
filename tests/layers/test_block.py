"""The block: two branches, each normed, scaled and added."""

import torch

from vitdense.layers.attention import Attention, KeepKeys, LinearQKV
from vitdense.layers.block import Block
from vitdense.layers.mlp import Mlp, gelu


def test_stochastic_depth_scales_both_branches() -> None:
    torch.manual_seed(0)
    attn = Attention(6, 2, LinearQKV(6, KeepKeys(), True), None)
    block = Block(6, attn, Mlp(6, 12, gelu), 1e-6, 0.5).train()
    tokens = torch.randn(8, 10, 6)
    torch.manual_seed(1)
    out = block(tokens, (5, 2))
    torch.manual_seed(1)
    first, second = (block.drop_path.scale(tokens) for _ in range(2))
    assert {0.0, 2.0} == set(first.unique().tolist())
    assert not torch.equal(first, second)
    expected = tokens + first * attn.branch(block.norm1(tokens), (5, 2))
    mlp = block.mlp
    wide = mlp.fc2(mlp.hidden(block.norm2(expected), (5, 2)))
    torch.testing.assert_close(out, expected + second * wide)
