"""attend() and key reduction against plainly written attention."""

import pytest
import torch
from torch import Tensor, nn

from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    PooledKeys,
    StridedKeys,
    attend,
)


def naive(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor:
    """Softmax attention with the whole map."""
    outs = []
    for one_q, one_k, one_v in zip(
        q.chunk(heads, 2), k.chunk(heads, 2), v.chunk(heads, 2), strict=True
    ):
        scores = (one_q @ one_k.transpose(1, 2) * scale).softmax(-1)
        outs.append(scores @ one_v)
    return torch.cat(outs, 2)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    """Thread counts, as queries are divided among them."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize('heads', [1, 3])
@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize(('queries', 'keys'), [(35, 6), (1, 4), (8, 8)])
@pytest.mark.parametrize('scale', [None, 0.7])
def test_attend(
    threads: int,
    heads: int,
    batch: int,
    queries: int,
    keys: int,
    scale: float | None,
) -> None:
    torch.manual_seed(0)
    q = torch.randn(batch, queries, 12, requires_grad=True)
    k = torch.randn(batch, keys, 12, requires_grad=True)
    v = torch.randn(batch, keys, 12, requires_grad=True)
    factor = (12 // heads) ** -0.5 if scale is None else scale
    results = []
    for out in (
        attend(q, k, v, heads, scale),
        naive(q, k, v, heads, factor),
    ):
        grads = torch.autograd.grad(out.sin().sum(), (q, k, v))
        results.append((out, *grads))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(
            attend(q, k, v, heads, scale), results[1][0], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    ('reduce', 'count'),
    [
        (KeepKeys(), 63),
        (StridedKeys(12, 2, 1e-5), 4 * 3),
        (PooledKeys(12, 7, 1e-5), 49),
    ],
)
def test_reduced_keys(reduce: nn.Module, count: int) -> None:
    tokens = torch.randn(2, 63, 12)
    keys = reduce(tokens, (9, 7))
    assert keys.shape == (2, count, 12)
    assert reduce.grid(9) * reduce.grid(7) == count
    attention = Attention(12, 3, LinearQKV(12, reduce, True), None)
    q, kv = attention.qkv.q(tokens), attention.qkv.kv(keys)
    branch = attention.proj(naive(q, kv[..., :12], kv[..., 12:], 3, 0.5))
    given = tokens, (9, 7), nn.Identity()
    torch.testing.assert_close(attention(*given, None), tokens + branch)
    scale = torch.tensor([0.0, 2.0])[:, None, None]
    expected = tokens + scale * branch
    torch.testing.assert_close(attention(*given, scale), expected)


def test_heads_must_divide_channels() -> None:
    with pytest.raises(ValueError, match='5 heads do not divide 12'):
        Attention(12, 5, LinearQKV(12, KeepKeys(), True), None)
