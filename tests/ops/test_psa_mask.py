"""Attention masks of PSANet equal their definition, cell by cell."""

import pytest
import torch
from mmcv.ops import PSAMask
from torch import Tensor
from torch.autograd import gradcheck


def definition(
    masks: Tensor, size: tuple[int, int], *, collect: bool
) -> Tensor:
    """(B, Y * X, H, W) -> (B, H * W, H, W)."""
    height, width = masks.shape[2:]
    table = masks.unflatten(1, size)
    out = masks.new_zeros(len(masks), height, width, height, width)
    pairs = out if collect else out.permute(0, 3, 4, 1, 2)
    for y in range(height):
        for x in range(width):
            for i in range(size[0]):
                for j in range(size[1]):
                    row = y + i - (size[0] - 1) // 2
                    column = x + j - (size[1] - 1) // 2
                    if 0 <= row < height and 0 <= column < width:
                        pairs[:, row, column, y, x] = table[:, i, j, y, x]
    return out.flatten(1, 2)


@pytest.mark.parametrize('kind', ['collect', 'distribute'])
@pytest.mark.parametrize('size', [(7, 9), (3, 5), (11, 9), (4, 2)])
def test_equals_the_definition(kind, size):
    masks = torch.randn(2, size[0] * size[1], 4, 5)
    found = PSAMask(kind, size)(masks)
    assert torch.equal(
        found, definition(masks, size, collect=kind == 'collect')
    )


@pytest.mark.parametrize('kind', ['collect', 'distribute'])
def test_gradient_is_the_derivative(kind):
    masks = torch.randn(1, 15, 2, 3, dtype=torch.float64).requires_grad_()
    assert gradcheck(PSAMask(kind, (3, 5)), masks)
