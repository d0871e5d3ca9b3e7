"""Pooling to a fixed grid, whatever the size."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from vitdense.backbones.pvt.keys import PooledKeys, pool_to_grid
from vitdense.layers.tokens import to_map, to_tokens


@pytest.mark.parametrize('hw', [(14, 21), (9, 30), (7, 7), (3, 5), (1, 1)])
@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_is_adaptive_average_pooling(
    hw: tuple[int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    shape = 2, hw[0] * hw[1], 5
    tokens = torch.randn(shape, dtype=torch.float64).to(dtype)
    tokens.requires_grad_()
    exact = tokens.detach().double().requires_grad_()
    pooled = pool_to_grid(tokens, hw, 7)
    expected = to_tokens(F.adaptive_avg_pool2d(to_map(exact, hw), 7))
    assert pooled.dtype == dtype
    weight = torch.randn(2, 49, 5, dtype=torch.float64)
    (pooled * weight.to(dtype)).sum().backward()
    (expected * weight).sum().backward()
    bounds: dict[str, Any] = (
        {} if dtype == torch.float64 else {'rtol': 0.05, 'atol': 0.05}
    )
    for one, other in ((pooled, expected), (tokens.grad, exact.grad)):
        torch.testing.assert_close(one.double(), other, **bounds)


@pytest.mark.usefixtures('nothing_compiled')
def test_one_graph_for_all_sizes() -> None:
    compiled = torch.compile(
        pool_to_grid, fullgraph=True, dynamic=True, backend='eager'
    )
    for hw in ((14, 21), (9, 30), (8, 5)):
        tokens = torch.randn(2, hw[0] * hw[1], 5)
        torch.testing.assert_close(
            compiled(tokens, hw, 7), pool_to_grid(tokens, hw, 7)
        )
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 1


def test_as_many_keys_on_any_grid() -> None:
    keys = PooledKeys(12, 7, 1e-5)
    for hw in ((9, 7), (3, 20)):
        assert keys(torch.randn(2, hw[0] * hw[1], 12), hw).shape == (2, 49, 12)
