"""The block: two branches, each normed, scaled, dropped and added."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vitdense.layers.attention import Attention, KeepKeys, LinearQKV
from vitdense.layers.block import Block
from vitdense.layers.layer_scale import LayerScale
from vitdense.layers.mlp import GELU, Mlp

HW = (5, 2)


def block(**options: Any) -> Block:
    torch.manual_seed(0)
    attn = Attention(6, 2, LinearQKV(6, KeepKeys(), bias=True))
    given = dict(norm_eps=1e-6, drop_path_rate=0.0) | options
    return Block(6, attn, Mlp(6, 12, GELU), **given).train()


def written_out(b: Block, x: Tensor) -> Tensor:
    x = x + b.drop_path(b.ls1(b.attn(b.norm1(x), HW)))
    return x + b.drop_path(b.ls2(b.mlp(b.norm2(x), HW)))


def scales(dim: int = 6) -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {}
    for name in ('ls1', 'ls2'):
        made[name] = scale = LayerScale(dim, 1.0)
        nn.init.normal_(scale.gamma)
    return made


@pytest.mark.parametrize('in_bands', [False, True])
@pytest.mark.parametrize('scaled', [False, True])
@pytest.mark.parametrize('rate', [0.0, 0.5])
def test_is_the_textbook_block(
    monkeypatch: pytest.MonkeyPatch, in_bands: bool, scaled: bool, rate: float
) -> None:
    if in_bands:
        monkeypatch.setattr('vitdense.layers.bands.KEPT_VALUES', 0)
        monkeypatch.setattr('vitdense.layers.bands.BAND_VALUES', 30)
    made = block(drop_path_rate=rate, **(scales() if scaled else {}))
    x = torch.randn(8, 10, 6, requires_grad=True)
    results = []
    for run in (lambda x: made(x, HW), lambda x: written_out(made, x)):
        torch.manual_seed(1)
        out = run(x)
        grads = torch.autograd.grad(out.sin().sum(), [x, *made.parameters()])
        results.append((out, *grads))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


class ParallelBlock(nn.Module):
    """Two branches side by side (arXiv:2203.09795), of the same parts."""

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.blocks: Iterable[Any] = nn.ModuleList(blocks)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        x = x + sum(
            b.drop_path(b.ls1(b.attn(b.norm1(x), hw))) for b in self.blocks
        )
        return x + sum(
            b.drop_path(b.ls2(b.mlp(b.norm2(x), hw))) for b in self.blocks
        )


def test_parallel_branches_can_be_written_with_the_same_parts() -> None:
    first, second = block(**scales()), block()
    for p in (*second.attn.proj.parameters(), *second.mlp.fc2.parameters()):
        nn.init.zeros_(p)
    x = torch.randn(2, 10, 6)
    torch.testing.assert_close(
        ParallelBlock(first, second)(x, HW), first(x, HW)
    )
