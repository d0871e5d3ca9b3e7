"""Bands: cover each row once, and give what the whole map gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers import band as band_module
from vitdense.layers.mlp import ConvMlp, Mlp, QuickGeluMlp, gelu, silu


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of a few rows, so that small maps have several."""
    monkeypatch.setattr(band_module, 'BAND_VALUES', 600)
    monkeypatch.setattr(QuickGeluMlp, 'kept_values', 0)


@pytest.mark.parametrize('batch', [1, 5])
@pytest.mark.parametrize('hw', [(1, 1), (7, 3), (64, 5)])
@pytest.mark.parametrize('halo', [0, 1])
def test_bands_cover_each_row_once(
    small_bands: None, batch: int, hw: tuple[int, int], halo: int
) -> None:
    seen = torch.zeros(batch, hw[0] * hw[1], 1)
    for band in band_module.divide(batch, hw, 24, halo):
        band.of(seen).add_(1)
        with_halo = band.with_halo(seen)
        assert with_halo.shape[1] == band.hw[0] * band.hw[1]
        assert torch.equal(band.crop(with_halo), band.of(seen))
    assert seen.eq(1).all()


MLPS = (
    lambda: Mlp(6, 24, gelu),
    lambda: ConvMlp(6, 24, gelu, nn.Identity()),
    lambda: ConvMlp(6, 24, gelu, F.relu),
    lambda: QuickGeluMlp(6, 24),
)


def drop_scale(batch: int) -> Tensor:
    """(B, 1, 1), as stochastic depth at a rate of one half draws it."""
    return torch.tensor([2.0, 0.0, 2.0])[:batch, None, None]


def plain(
    tokens: Tensor,
    hw: tuple[int, int],
    norm: nn.Module,
    mlp: Mlp,
    scale: Tensor | None = None,
) -> Tensor:
    """The same feed-forward network on the whole map."""
    branch = F.linear(mlp.hidden(norm(tokens), hw), *mlp.out())
    return tokens + branch * (1 if scale is None else scale)


@pytest.mark.parametrize('make', MLPS)
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('frozen', [(), ('fc1.bias',), ('fc2.weight',)])
@pytest.mark.parametrize('scaled', [False, True])
def test_equals_the_whole_map(
    small_bands: None, make, batch: int, frozen: tuple[str, ...], scaled: bool
) -> None:
    torch.manual_seed(0)
    hw = (11, 5)
    mlp, norm = make().double(), nn.LayerNorm(6).double()
    scale = drop_scale(batch).double() if scaled else None
    for name in frozen:
        mlp.get_parameter(name).requires_grad_(False)
    tokens = torch.randn(batch, 55, 6, dtype=torch.double, requires_grad=True)
    learned = [
        p for p in (*mlp.parameters(), *norm.parameters()) if p.requires_grad
    ]
    results = []
    for out in (
        mlp(tokens, hw, norm, scale),
        plain(tokens, hw, norm, mlp, scale),
    ):
        grads = torch.autograd.grad(out.sin().sum(), [tokens, *learned])
        results.append((out, *grads))
    for banded, whole in zip(*results, strict=True):
        torch.testing.assert_close(banded, whole)


def test_parameters_behind_frozen_tokens_learn(small_bands: None) -> None:
    mlp, norm = ConvMlp(6, 24, gelu, F.relu), nn.LayerNorm(6)
    mlp(torch.randn(2, 55, 6), (11, 5), norm, None).square().sum().backward()
    assert all(p.grad.any() for p in (*mlp.parameters(), *norm.parameters()))


@pytest.mark.parametrize('scaled', [False, True])
@pytest.mark.parametrize('make', MLPS)
def test_autocast_reaches_the_backward_pass(
    small_bands: None, make, scaled: bool
) -> None:
    torch.manual_seed(0)
    mlp, norm = make(), nn.LayerNorm(6)
    tokens = torch.randn(2, 55, 6)
    scale = drop_scale(2) if scaled else None
    with torch.autocast('cpu', torch.bfloat16):
        banded, whole = (
            mlp(tokens, (11, 5), norm, scale),
            plain(tokens, (11, 5), norm, mlp, scale),
        )
    assert banded.dtype == whole.dtype == torch.float32
    torch.testing.assert_close(banded, whole, rtol=0.01, atol=0.01)
    learned = [*mlp.parameters(), *norm.parameters()]
    grads = []
    for out in (banded, whole):
        # backward under autocast too, as some loops have it
        with torch.autocast('cpu', torch.bfloat16):
            loss = out.float().square().sum()
            grads.append(torch.autograd.grad(loss, learned))
    for one, other in zip(*grads, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() < 0.05 * other.abs().max()


def test_small_hidden_maps_are_kept_and_equal() -> None:
    torch.manual_seed(0)
    mlp, norm = QuickGeluMlp(6, 24), nn.LayerNorm(6)
    tokens = torch.randn(2, 55, 6, requires_grad=True)
    kept = mlp(tokens, (11, 5), norm, None)
    assert type(kept.grad_fn).__name__ == 'AddBackward0'
    with torch.no_grad():
        banded = mlp(tokens, (11, 5), norm, None)
    torch.testing.assert_close(kept, banded)


def test_second_derivatives_are_refused(small_bands: None) -> None:
    tokens = torch.randn(2, 55, 6, requires_grad=True)
    out = Mlp(6, 24, gelu)(tokens, (11, 5), nn.LayerNorm(6), None)
    (grad,) = torch.autograd.grad(
        out.square().sum(), tokens, create_graph=True
    )
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.square().sum().backward()


def test_inputs_of_activations_are_spared_where_gradients_need_them() -> None:
    x = torch.linspace(-3, 3, 50, requires_grad=True)
    for act, reference in ((gelu, F.gelu), (silu, F.silu)):
        before = x * 1
        torch.testing.assert_close(act(before), reference(x))
        assert torch.equal(before, x)
        with torch.no_grad():
            given_up = x.clone()
            assert act(given_up) is given_up
            torch.testing.assert_close(given_up, reference(x))
