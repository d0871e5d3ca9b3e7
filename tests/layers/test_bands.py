"""Bands: cover each row once, and give what the whole map gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers import bands
from vitdense.layers.mlp import ConvMlp, Mlp


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of a few rows, so that small maps have several."""
    monkeypatch.setattr(bands, 'BAND_VALUES', 600)


@pytest.mark.parametrize('batch', [1, 5])
@pytest.mark.parametrize('hw', [(1, 1), (7, 3), (64, 5)])
@pytest.mark.parametrize('halo', [0, 1])
def test_bands_cover_each_row_once(
    small_bands: None, batch: int, hw: tuple[int, int], halo: int
) -> None:
    seen = torch.zeros(batch, hw[0] * hw[1], 1)
    for band in bands.divide(batch, hw, 24, halo):
        band.of(seen).add_(1)
        with_halo = band.with_halo(seen)
        assert with_halo.shape[1] == band.hw[0] * band.hw[1]
        assert torch.equal(band.crop(with_halo), band.of(seen))
    assert seen.eq(1).all()


def plain(tokens: Tensor, hw: tuple[int, int], norm: nn.Module, mlp: Mlp):
    """The same feed-forward network on the whole map."""
    return mlp.fc2(mlp.hidden(norm(tokens), hw))


@pytest.mark.parametrize(
    'make',
    [
        lambda: Mlp(6, 24, F.gelu),
        lambda: ConvMlp(6, 24, F.gelu, nn.Identity()),
        lambda: ConvMlp(6, 24, F.gelu, F.relu),
    ],
)
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('frozen', [(), ('fc1.bias',), ('fc2.weight',)])
def test_equals_the_whole_map(
    small_bands: None, make, batch: int, frozen: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    hw = (11, 5)
    mlp, norm = make().double(), nn.LayerNorm(6).double()
    for name in frozen:
        mlp.get_parameter(name).requires_grad_(False)
    tokens = torch.randn(batch, 55, 6, dtype=torch.double, requires_grad=True)
    learned = [
        p for p in (*mlp.parameters(), *norm.parameters()) if p.requires_grad
    ]
    results = []
    for out in (mlp(tokens, hw, norm), plain(tokens, hw, norm, mlp)):
        grads = torch.autograd.grad(out.sin().sum(), [tokens, *learned])
        results.append((out, *grads))
    for banded, whole in zip(*results, strict=True):
        torch.testing.assert_close(banded, whole)


def test_parameters_behind_frozen_tokens_learn(small_bands: None) -> None:
    mlp, norm = ConvMlp(6, 24, F.gelu, F.relu), nn.LayerNorm(6)
    mlp(torch.randn(2, 55, 6), (11, 5), norm).square().sum().backward()
    assert all(p.grad.any() for p in (*mlp.parameters(), *norm.parameters()))


def test_autocast_reaches_the_backward_pass(small_bands: None) -> None:
    torch.manual_seed(0)
    mlp, norm = Mlp(6, 24, F.gelu), nn.LayerNorm(6)
    tokens = torch.randn(2, 55, 6)
    with torch.autocast('cpu', torch.bfloat16):
        banded, whole = (
            mlp(tokens, (11, 5), norm),
            plain(tokens, (11, 5), norm, mlp),
        )
    assert banded.dtype == whole.dtype == torch.bfloat16
    assert torch.equal(banded, whole)
    grads = []
    for out in (banded, whole):
        loss = out.float().square().sum()
        grads.append(torch.autograd.grad(loss, mlp.fc1.weight)[0])
    assert grads[0].dtype == torch.float32
    torch.testing.assert_close(*grads, rtol=0.05, atol=0.05)
