"""Convolutional projections: folding and prefix tokens."""

import pytest
import torch
from torch import nn

from vitdense.backbones.cvt.projection import ConvQKV, DepthwiseNorm
from vitdense.layers.tokens import to_map, to_tokens


def draw_statistics(module: nn.Module) -> None:
    """Gives BatchNorms in ``module`` statistics and weights of their own."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)


@pytest.mark.parametrize('stride', [1, 2])
def test_folding_equals_both_parts(stride: int) -> None:
    torch.manual_seed(0)
    part = DepthwiseNorm(6, stride, nn.BatchNorm2d)
    draw_statistics(part)
    part.eval()
    tokens = torch.randn(2, 9 * 7, 6, requires_grad=True)
    learned = [tokens, *part.parameters()]
    names = set(part.state_dict())
    folded = part(tokens, (9, 7))
    grid = part.conv.grid(9), part.conv.grid(7)
    plain = to_tokens(part.bn(to_map(part.conv(tokens, (9, 7)), grid)))
    torch.testing.assert_close(folded, plain)
    weight = torch.randn_like(plain)
    for one, other in zip(
        torch.autograd.grad((folded * weight).sum(), learned),
        torch.autograd.grad((plain * weight).sum(), learned),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert set(part.state_dict()) == names


def test_training_uses_the_batch() -> None:
    torch.manual_seed(0)
    part = DepthwiseNorm(6, 1, nn.BatchNorm2d).train()
    out = part(3 + 2 * torch.randn(4, 8 * 8, 6), (8, 8))
    torch.testing.assert_close(
        out.mean((0, 1)), torch.zeros(6), rtol=0, atol=1e-5
    )
    assert part.bn.num_batches_tracked == 1
    assert part.bn.running_mean.any()


def test_prefix_passes_by_the_convolutions() -> None:
    torch.manual_seed(0)
    qkv = ConvQKV(6, 2, nn.BatchNorm2d, num_prefix=1)
    bare = ConvQKV(6, 2, nn.BatchNorm2d, num_prefix=0).eval()
    draw_statistics(qkv)
    qkv.eval()
    bare.load_state_dict(qkv.state_dict())
    tokens = torch.randn(2, 1 + 5 * 7, 6)
    with torch.no_grad():
        with_prefix = qkv(tokens, (5, 7))
        without = bare(tokens[:, 1:], (5, 7))
    assert [t.shape[1] for t in with_prefix] == [1 + 35, 1 + 12, 1 + 12]
    for one, other, linear in zip(
        with_prefix, without, (qkv.q, qkv.k, qkv.v), strict=True
    ):
        torch.testing.assert_close(one[:, 1:], other)
        torch.testing.assert_close(one[:, 0], linear(tokens[:, 0]))
