"""A masked convolution is a convolution where the mask is, else zero."""

import pytest
import torch
from mmcv.ops import MaskedConv2d
from torch.testing import assert_close


@pytest.mark.filterwarnings('ignore:This overload of addmm')  # mmcv's
@pytest.mark.parametrize(
    ('kernel', 'padding'), [(3, 1), ((1, 5), (0, 2)), (1, 0)]
)
@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_equals_the_masked_convolution(kernel, padding, share):
    layer = MaskedConv2d(4, 6, kernel, padding=padding)
    x, mask = torch.randn(1, 4, 7, 9), torch.rand(1, 7, 9) < share
    with torch.no_grad():
        found = layer(x, mask)
        expected = layer(x) * mask
    assert_close(found, expected, rtol=1e-5, atol=1e-5)
