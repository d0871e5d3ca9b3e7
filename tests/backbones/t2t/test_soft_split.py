"""Soft split: unfold, LayerNorm and Linear, without the unfolded tensor."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vitdense.backbones.t2t.soft_split import NormedSoftSplit, SoftSplit
from vitdense.layers import bands
from vitdense.layers.tokens import to_tokens

KERNELS = [(7, 4), (3, 2)]
SIZES = [(24, 20), (17, 13), (7, 30)]


def written_out(split: SoftSplit, feature_map: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, dim) as the paper says it."""
    patches = F.unfold(
        feature_map, split.kernel, 1, split.padding, split.stride
    ).transpose(1, 2)
    if isinstance(split, NormedSoftSplit):
        patches = split.norm(patches)
    return split.proj(patches)


def normed(channels: int, kernel: int, stride: int, **options: Any):
    torch.manual_seed(0)
    split = NormedSoftSplit(channels, 10, kernel, stride, **options)
    nn.init.normal_(split.norm.weight)
    nn.init.normal_(split.norm.bias)
    return split


def as_convolution(split: NormedSoftSplit, feature_map: Tensor) -> Tensor:
    _, _, height, width = feature_map.shape
    tokens = to_tokens(feature_map)
    return split.project_as_convolution(tokens, (height, width))


def as_bands(split: NormedSoftSplit, feature_map: Tensor) -> Tensor:
    _, _, height, width = feature_map.shape
    tokens = to_tokens(feature_map)
    return split.project_in_bands(tokens, (height, width))


PATHS = pytest.mark.parametrize('run', [as_convolution, as_bands])


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of a row or two, so that small maps have several."""
    monkeypatch.setattr(bands, 'BAND_VALUES', 3000)


@PATHS
@pytest.mark.parametrize(('kernel', 'stride'), KERNELS)
@pytest.mark.parametrize('hw', SIZES)
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.usefixtures('small_bands')
def test_equals_written_out(
    run: Callable[..., Tensor],
    kernel: int,
    stride: int,
    hw: tuple[int, int],
    bias: bool,
) -> None:
    split = normed(5, kernel, stride, bias=bias, norm_eps=1e-5).double()
    x = torch.randn(2, 5, *hw, dtype=torch.double, requires_grad=True)
    learned = [x, *split.parameters()]
    expected, got = written_out(split, x), run(split, x)
    torch.testing.assert_close(got, expected)
    for one, other in zip(
        torch.autograd.grad(got.sin().sum(), learned),
        torch.autograd.grad(expected.sin().sum(), learned),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@PATHS
@pytest.mark.parametrize(
    ('offset', 'bound'), [(0.0, 1e-5), (10.0, 1e-5), (-100.0, 1e-4)]
)
@pytest.mark.usefixtures('small_bands')
def test_no_cancellation(
    run: Callable[..., Tensor], offset: float, bound: float
) -> None:
    """Far from zero, a difference of squares would be off by 1e-2."""
    split = normed(32, 3, 2, bias=True, norm_eps=1e-5)
    x = torch.randn(1, 32, 16, 12) + offset
    with torch.no_grad():
        got = run(split, x)
        exact = written_out(split.double(), x.double())
    assert (got - exact).abs().max() < bound * exact.std()


@pytest.mark.parametrize(('kernel', 'stride'), KERNELS)
def test_without_norm(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    split = SoftSplit(5, 10, kernel, stride, bias=True)
    x = torch.randn(2, 5, 17, 13)
    tokens, hw = split(to_tokens(x), (17, 13))
    assert hw == (split.grid(17), split.grid(13))
    torch.testing.assert_close(tokens, written_out(split, x))


@pytest.mark.parametrize('size', [3, 8, 33, 224])
def test_grid_is_that_of_unfold(size: int) -> None:
    for kernel, stride in KERNELS:
        split = SoftSplit(1, 1, kernel, stride, bias=False)
        tokens = torch.zeros(1, size * size, 1)
        cells = split(tokens, (size, size))[0].shape[1]
        assert split.grid(size) ** 2 == cells


class LargestTensor(TorchDispatchMode):
    """Keeps the size of the largest tensor that any operator makes."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple) else (result,):
            if isinstance(one, Tensor):
                self.values = max(self.values, one.numel())
        return result


@PATHS
@pytest.mark.parametrize('train', [False, True])
@pytest.mark.usefixtures('small_bands')
def test_unfolded_tensor_is_never_built(
    run: Callable[..., Tensor], train: bool
) -> None:
    split = normed(16, 3, 2, bias=True, norm_eps=1e-5)
    x = torch.randn(1, 16, 40, 40, requires_grad=train)
    with LargestTensor() as largest, torch.set_grad_enabled(train):
        out = run(split, x)
        if train:
            out.sum().backward()
    unfolded = out.shape[1] * split.proj.in_features
    assert largest.values <= 1.11 * x.numel() < unfolded / 2


@pytest.mark.usefixtures('small_bands')
def test_images_and_frozen_parts_get_no_gradient() -> None:
    split = normed(3, 7, 4, bias=True, norm_eps=1e-5)
    split.norm.requires_grad_(False)
    split(torch.randn(1, 32 * 32, 3), (32, 32))[0].sum().backward()
    assert split.norm.weight.grad is None
    assert split.proj.weight.grad.any()


def test_half_precision_statistics() -> None:
    """Windows' statistics are computed in single precision."""
    split = normed(8, 3, 2, bias=True, norm_eps=1e-5).bfloat16()
    x = torch.randn(1, 8, 16, 16)
    got = as_convolution(split, x.bfloat16())
    assert got.dtype == torch.bfloat16
    expected = written_out(split.float(), x)
    assert (got - expected).abs().mean() < 0.02 * expected.std()
