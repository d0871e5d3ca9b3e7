"""Convolutions of patches as products of matrices."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vitdense.layers.token_conv import PatchConv
from vitdense.layers.tokens import to_map, to_tokens


@pytest.mark.parametrize('hw', [(8, 8), (9, 13), (4, 4)])
@pytest.mark.parametrize('layout', ['contiguous', 'channels_last'])
def test_patch_conv_is_a_convolution(hw: tuple[int, int], layout: str) -> None:
    conv = PatchConv(3, 5, 4)
    x = torch.randn(2, 3, *hw)
    grid = conv.grid(hw[0]), conv.grid(hw[1])
    learned = [x.requires_grad_(), conv.weight, conv.bias]
    tokens = strided(x) if layout == 'contiguous' else to_tokens(x)
    results = []
    for out in (
        to_map(conv(tokens, hw), grid),
        F.conv2d(x, conv.weight, conv.bias, stride=4),
    ):
        grads = torch.autograd.grad(out.sin().sum(), learned)
        results.append((out, *grads))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def strided(feature_map: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, C), a view of a map that is contiguous."""
    return feature_map.flatten(2).transpose(1, 2)
