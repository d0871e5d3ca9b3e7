"""Multi-scale deformable attention equals mmcv's own code for the CPU."""

import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

SHAPES = torch.tensor([[6, 9], [3, 5], [1, 2]])
START = torch.tensor([0, 54, 69])


def inputs(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Values of 2 images and 4 heads, places around the map, and weights."""
    value = torch.randn(2, 71, 4, 5, dtype=dtype)
    places = 1.6 * torch.rand(2, 7, 4, 3, 2, 2, dtype=dtype) - 0.3
    weight = torch.randn(2, 7, 4, 6, dtype=dtype).softmax(-1)
    return [value, places, weight.view(2, 7, 4, 3, 2)]


def attend(value: Tensor, places: Tensor, weight: Tensor) -> Tensor:
    """As the module calls it on an accelerator."""
    return MultiScaleDeformableAttnFunction.apply(
        value, SHAPES, START, places, weight, 64
    )


def test_equals_the_code_for_the_cpu():
    results = []
    for compute in (
        attend,
        lambda v, p, w: multi_scale_deformable_attn_pytorch(v, SHAPES, p, w),
    ):
        torch.manual_seed(0)
        leaves = [t.requires_grad_() for t in inputs()]
        out = compute(*leaves)
        out.square().sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    assert_close(*results, rtol=1e-4, atol=1e-5)


def test_gradient_is_the_derivative():
    leaves = [t.requires_grad_() for t in inputs(torch.float64)]
    assert gradcheck(attend, leaves, fast_mode=True)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    halves = [t.to(dtype).requires_grad_() for t in inputs()]
    singles = [t.detach().float().requires_grad_() for t in halves]
    expected = attend(*singles)
    with torch.autocast('cpu', dtype):
        out = attend(*halves)
    assert_close(out, expected.to(dtype))
    expected.sum().backward()
    out.sum().backward()
    for half, single in zip(halves, singles, strict=True):
        assert_close(half.grad, single.grad.to(dtype))
