"""Bands: cover each row once, and give what the whole map gives."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vitdense.backbones.cvt.mlp import QUICK_GELU, QuickGeluMlp
from vitdense.backbones.pvt.mlp import ConvMlp
from vitdense.layers import bands
from vitdense.layers.drop_path import DropPath
from vitdense.layers.mlp import GELU, RELU, SILU, Activation, Mlp

MLPS: dict[str, Callable[[], Mlp]] = {
    'plain': lambda: Mlp(6, 24, GELU),
    'conv': lambda: ConvMlp(6, 24, GELU),
    'conv-relu': lambda: ConvMlp(6, 24, GELU, RELU),
    'quick': lambda: QuickGeluMlp(6, 24),
}
HW = (11, 5)


@pytest.fixture(autouse=True)
def _small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of a few rows, so that small maps have several."""
    monkeypatch.setattr(bands, 'BAND_VALUES', 600)
    monkeypatch.setattr(bands, 'KEPT_VALUES', 0)


@pytest.mark.parametrize('batch', [1, 5])
@pytest.mark.parametrize('hw', [(1, 1), (7, 3), (64, 5)])
@pytest.mark.parametrize('halo', [0, 1])
def test_bands_cover_each_row_once(
    batch: int, hw: tuple[int, int], halo: int
) -> None:
    height, width = hw

    def needed(top: int, bottom: int) -> slice:
        return slice(max(top - halo, 0), min(bottom + halo, height))

    seen = torch.zeros(batch, height, width, 1)
    for band in bands.divide(batch, height, width * 24, needed):
        band.outputs(seen).add_(1)
        assert torch.equal(band.crop(band.inputs(seen)), band.outputs(seen))
    assert seen.eq(1).all()


class FixedDrop(DropPath):
    """Stochastic depth that has drawn: the second image is dropped."""

    def scale(self, tokens: Tensor) -> Tensor | None:
        drawn = tokens.new_tensor([2.0, 0.0, 2.0])
        return drawn[: len(tokens), None, None]


def in_bands(x: Tensor, norm: nn.Module, mlp: Mlp, drop: DropPath) -> Tensor:
    assert bands.pay_for_mlp(x, norm, mlp, drop_path=drop)
    return bands.add_mlp(x, HW, norm, mlp, drop_path=drop)


def whole(x: Tensor, norm: nn.Module, mlp: Mlp, drop: DropPath) -> Tensor:
    """The same feed-forward network on the whole map, as modules."""
    return x + drop(mlp.fc2(mlp.hidden(norm(x), HW)))


@pytest.mark.parametrize('name', MLPS)
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('frozen', [(), ('fc1.bias',), ('fc2.weight',)])
@pytest.mark.parametrize('drop', [DropPath(0.0), FixedDrop(0.5)])
def test_equals_the_whole_map(
    name: str, batch: int, frozen: tuple[str, ...], drop: DropPath
) -> None:
    torch.manual_seed(0)
    mlp, norm = MLPS[name]().double(), nn.LayerNorm(6).double()
    for part in frozen:
        mlp.get_parameter(part).requires_grad_(False)
    tokens = torch.randn(batch, 55, 6, dtype=torch.double, requires_grad=True)
    learned = [
        p for p in (*mlp.parameters(), *norm.parameters()) if p.requires_grad
    ]
    results = []
    for run in (in_bands, whole):
        out = run(tokens, norm, mlp, drop)
        grads = torch.autograd.grad(out.sin().sum(), [tokens, *learned])
        results.append((out, *grads))
    for banded, expected in zip(*results, strict=True):
        torch.testing.assert_close(banded, expected)


def test_parameters_behind_frozen_tokens_learn() -> None:
    mlp, norm = ConvMlp(6, 24, GELU, RELU), nn.LayerNorm(6)
    out = bands.add_mlp(torch.randn(2, 55, 6), HW, norm, mlp)
    out.square().sum().backward()
    assert all(p.grad.any() for p in (*mlp.parameters(), *norm.parameters()))


@pytest.mark.parametrize('drop', [DropPath(0.0), FixedDrop(0.5)])
@pytest.mark.parametrize('name', MLPS)
def test_autocast_reaches_the_backward_pass(name: str, drop: DropPath) -> None:
    torch.manual_seed(0)
    mlp, norm = MLPS[name](), nn.LayerNorm(6)
    tokens = torch.randn(2, 55, 6)
    learned = [*mlp.parameters(), *norm.parameters()]
    outs, grads = [], []
    for run in (in_bands, whole):
        with torch.autocast('cpu', torch.bfloat16):
            out = run(tokens, norm, mlp, drop)
        # backward under autocast too, as some loops have it
        with torch.autocast('cpu', torch.bfloat16):
            loss = out.float().square().sum()
            grads.append(torch.autograd.grad(loss, learned))
        outs.append(out)
    assert outs[0].dtype == outs[1].dtype == torch.float32
    torch.testing.assert_close(*outs, rtol=0.01, atol=0.01)
    for one, other in zip(*grads, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() < 0.05 * other.abs().max()


def test_small_hidden_maps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one rule for all: computing them again costs more than memory."""
    mlp, norm = Mlp(6, 24, GELU), nn.LayerNorm(6)
    tokens = torch.randn(2, 55, 6)
    for kept, pay in ((2 * 55 * 24, False), (2 * 55 * 24 - 1, True)):
        monkeypatch.setattr(bands, 'KEPT_VALUES', kept)
        assert bands.pay_for_mlp(tokens, norm, mlp) is pay
        with torch.no_grad():
            assert bands.pay_for_mlp(tokens, norm, mlp)


class Shifted(nn.Module):
    """A parametrization with a parameter of its own beside the weight."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.randn(shape))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.shift


def test_gradients_that_autograd_gives_twice_are_added_once() -> None:
    """Weight and shift get one tensor; a second band must not add it twice."""
    torch.manual_seed(0)
    mlp, norm = Mlp(6, 24, GELU), nn.LayerNorm(6)
    shape = mlp.fc1.weight.shape
    parametrize.register_parametrization(mlp.fc1, 'weight', Shifted(shape))
    mlp, norm = mlp.double(), norm.double()
    tokens = torch.randn(2, 55, 6, dtype=torch.double)
    learned = [*mlp.parameters(), *norm.parameters()]
    for banded, expected in zip(
        *(
            torch.autograd.grad(
                run(tokens, norm, mlp, DropPath(0.0)).sin().sum(), learned
            )
            for run in (in_bands, whole)
        ),
        strict=True,
    ):
        torch.testing.assert_close(banded, expected)


def test_what_is_attached_takes_the_whole_map() -> None:
    """Where a band would act in another way than the modules themselves."""
    tokens, norm = torch.randn(2, 55, 6), nn.LayerNorm(6)

    def pays(mlp: nn.Module, *parts: nn.Module) -> bool:
        return bands.pay_for_mlp(tokens, norm, mlp, *parts)

    assert pays(Mlp(6, 24, GELU), nn.Identity(), DropPath(0.0))
    # a hook of a parameter would act on each band's part of its gradient
    watched = Mlp(6, 24, GELU)
    watched.fc1.weight.register_hook(lambda grad: grad / 2)
    assert not pays(watched)
    # weights put aside by sharding are not found among the parameters
    aside = Mlp(6, 24, GELU)
    weight = aside.fc1.weight
    del aside.fc1.weight
    aside.fc1.weight = weight * 1
    assert not pays(aside)
    # others in the places of a network and of stochastic depth
    assert not pays(nn.Sequential(Mlp(6, 24, GELU)))
    assert not pays(Mlp(6, 24, GELU), nn.Identity(), nn.Identity())


def test_a_forward_put_in_place_is_called() -> None:
    mlp, norm = Mlp(6, 24, GELU), nn.LayerNorm(6)

    def triple(x: Tensor) -> Tensor:
        return 3 * F.linear(x, mlp.fc2.weight, mlp.fc2.bias)

    vars(mlp.fc2)['forward'] = triple
    tokens = torch.randn(2, 55, 6)
    out = in_bands(tokens, norm, mlp, DropPath(0.0))
    torch.testing.assert_close(out, whole(tokens, norm, mlp, DropPath(0.0)))


def test_second_derivatives_are_refused() -> None:
    tokens = torch.randn(2, 55, 6, requires_grad=True)
    out = bands.add_mlp(tokens, HW, nn.LayerNorm(6), Mlp(6, 24, GELU))
    (grad,) = torch.autograd.grad(
        out.square().sum(), tokens, create_graph=True
    )
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.square().sum().backward()


def test_what_is_dropped_at_random_is_dropped_again() -> None:
    """Adapters may hold Dropout: the recomputed band must draw the same."""
    mlp: Any = Mlp(6, 24, GELU)
    mlp.fc2 = nn.Sequential(nn.Dropout(0.5), mlp.fc2)
    tokens = torch.randn(3, 55, 6, dtype=torch.double, requires_grad=True)
    mlp, norm = mlp.double().train(), nn.LayerNorm(6).double()
    direction = torch.randn_like(tokens)

    def run(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return bands.add_mlp(x, HW, norm, mlp)

    out = run(tokens)
    before = torch.get_rng_state()
    (grad,) = torch.autograd.grad(out.sin().sum(), tokens)
    assert torch.equal(torch.get_rng_state(), before)
    step = 1e-6 * direction
    with torch.no_grad():
        change = run(tokens + step).sin().sum() - run(tokens).sin().sum()
    torch.testing.assert_close((grad * step).sum(), change, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ('act', 'reference'),
    [
        (GELU, F.gelu),
        (SILU, F.silu),
        (RELU, F.relu),
        (QUICK_GELU, lambda x: x * torch.sigmoid(1.702 * x)),
    ],
)
def test_activations_spare_what_others_may_hold(
    act: Activation, reference: Callable[[Tensor], Tensor]
) -> None:
    """In place only where nothing is recorded and nobody listens."""
    maker = nn.Linear(1, 1)
    x = torch.linspace(-3, 3, 50, requires_grad=True)
    before = x * 1
    torch.testing.assert_close(act(before, maker), reference(x))
    assert torch.equal(before, x)
    with torch.no_grad():
        given_up = x.clone()
        assert act(given_up, maker) is given_up
        torch.testing.assert_close(given_up, reference(x))
        watched: list[Any] = []
        maker.register_forward_hook(lambda *seen: watched.append(seen))
        kept = x.clone()
        torch.testing.assert_close(act(kept, maker), reference(x))
        assert torch.equal(kept, x)
        assert act(x.clone(), nn.Sequential(maker)) is not None
