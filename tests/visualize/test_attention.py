"""Where a cell looks: every kind of attention, on the grid of its stage."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vitdense
from vitdense.backbones.cvt.projection import ConvQKV
from vitdense.backbones.pvt.keys import PooledKeys
from vitdense.layers.attention import Attention, KeepKeys, StridedKeys
from vitdense.visualize.attention import look_from

MODELS: dict[str, tuple[str, dict[str, Any], int]] = {
    'strided keys': ('PVT', {'arch': 'v2-b0'}, 4),
    'pooled keys': ('PVT', {'arch': 'v2-b2-li'}, 4),
    'class token, convolved keys': ('CvT', {'arch': '13'}, 3),
    'performer': ('T2TViT', {'arch': '7'}, 4),
    'registers, rotary': ('ViT', {'arch': 'dinov3-s'}, 12),
    'windows': ('ViT', {'arch': 'vitdet-b', 'out_indices': [0, 2]}, 3),
}
# where there are tokens before those of the grid
PREFIXED = {
    'strided keys': 'none',
    'pooled keys': 'none',
    'class token, convolved keys': 'stages.2',
    'performer': 'stages.2',
    'registers, rotary': 'all',
    'windows': 'all',
}


def image(height: int, width: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(1, 3, height, width)


@pytest.mark.parametrize('kind', MODELS)
def test_all_of_a_cell_is_told(kind: str) -> None:
    """Weights and prefix are 1 in sum, on grids that nothing divides; the
    rest is what zeros that fill up windows take."""
    name, arguments, stages = MODELS[kind]
    model = getattr(vitdense, name)(**arguments).eval()
    looked = look_from(model, image(100, 300), (0.9, 0.5))
    assert len({each.name.split('.')[1] for each in looked}) == stages
    for each in looked:
        assert each.weights.min() >= 0
        height, width = each.weights.shape
        assert each.cell == (int(0.5 * height), int(0.9 * width))
        total = float(each.weights.sum()) + each.prefix
        if kind == 'windows':
            assert 0 < total <= 1 + 1e-4
        else:
            assert total == pytest.approx(1, abs=1e-4)
        stage = '.'.join(each.name.split('.')[:2])
        assert (each.prefix > 0) == (PREFIXED[kind] in ('all', stage))


def test_one_window_is_all_of_a_small_image() -> None:
    """A windowed block and the same one without windows look alike."""
    torch.manual_seed(0)
    model = vitdense.ViT('vitdet-b', out_indices=[0]).eval()
    (windowed,) = look_from(model, image(96, 160), (0.2, 0.7))
    attn = model.get_submodule(windowed.name)
    plain = Attention(768, attn.num_heads, attn.qkv)
    plain.proj = attn.proj
    model.set_submodule(windowed.name, plain)
    (full,) = look_from(model, image(96, 160), (0.2, 0.7))
    torch.testing.assert_close(windowed.weights, full.weights)


@pytest.mark.parametrize('hw', [(9, 14), (16, 8)])
def test_keys_are_spread_over_what_they_are_made_of(
    hw: tuple[int, int],
) -> None:
    """A key's weight lies on cells that change the key, and nowhere else."""
    torch.manual_seed(0)
    height, width = hw
    norm = nn.BatchNorm2d
    reducers: dict[str, tuple[Any, int]] = {
        'keep': (KeepKeys(), height * width),
        'strided': (StridedKeys(4, 4, 1e-6), (height // 4) * (width // 4)),
        'pooled': (PooledKeys(4, 7, 1e-6), 49),
    }
    for name, (reduce, count) in reducers.items():
        tokens = torch.randn(1, height * width, 4, requires_grad=True)
        keys = reduce(tokens, hw)
        assert keys.shape[1] == count, name
        for key in (0, count // 2, count - 1):
            (grad,) = torch.autograd.grad(
                keys[0, key, 0], tokens, retain_graph=True
            )
            seen = grad[0].abs().sum(-1).unflatten(0, hw) > 0
            spread = reduce.spread(torch.eye(count)[key], hw)
            assert torch.equal(spread > 0, seen), name
            assert float(spread.sum()) == pytest.approx(1), name
    convolved = ConvQKV(4, 2, norm, 0)
    count = -(-height // 2) * -(-width // 2)
    spread = convolved.spread(torch.eye(count), hw)
    torch.testing.assert_close(spread.sum((1, 2)), torch.ones(count))
    # every cell is of one key, whose centre it is, or right or below of it
    owner = spread.argmax(0)
    rows, cols = torch.arange(height) // 2, torch.arange(width) // 2
    assert torch.equal(owner, rows[:, None] * -(-width // 2) + cols)


def test_bad_input() -> None:
    model = vitdense.PVT('v2-b0').eval()
    with pytest.raises(ValueError, match=r'head=1: stages\.0.* has 1,'):
        look_from(model, image(64, 64), (0, 0), head=1)
    with pytest.raises(ValueError, match='Conv2d has no attention'):
        look_from(nn.Conv2d(3, 3, 1), image(64, 64), (0, 0))
