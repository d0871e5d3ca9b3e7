"""attend() and key reduction against plainly written attention."""

import pytest
import torch
from torch import Tensor, nn

from vitdense.layers.attention import (
    Attention,
    KeepKeys,
    LinearQKV,
    StridedKeys,
    attend,
    query_parts,
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
    ],
)
def test_reduced_keys(reduce: nn.Module, count: int) -> None:
    tokens = torch.randn(2, 63, 12)
    keys = reduce(tokens, (9, 7))
    assert keys.shape == (2, count, 12)
    qkv = LinearQKV(12, reduce, bias=True)
    attention = Attention(12, 3, qkv)
    q, kv = qkv.q(tokens), qkv.kv(keys)
    branch = attention.proj(naive(q, kv[..., :12], kv[..., 12:], 3, 0.5))
    torch.testing.assert_close(attention(tokens, (9, 7)), branch)


def test_heads_must_divide_channels() -> None:
    with pytest.raises(ValueError, match='5 heads do not divide 12'):
        Attention(12, 5, LinearQKV(12, KeepKeys(), bias=True))


@pytest.mark.parametrize(
    ('units', 'threads', 'parts'),
    [(16, 64, 4), (1, 2, 2), (3, 2, 2), (4, 2, 1), (6, 4, 2), (5, 8, 8)],
)
def test_queries_are_divided_no_more_than_needed(
    monkeypatch: pytest.MonkeyPatch, units: int, threads: int, parts: int
) -> None:
    """Each part repeats keys and values: 16 heads on 64 threads need 4."""
    monkeypatch.setattr(torch, 'get_num_threads', lambda: threads)
    q = torch.zeros(1, 100, units, requires_grad=True)
    assert query_parts(q, units) == parts
