"""CARAFE equals its formula, written with an unfolded map."""

import pytest
import torch
from mmcv.ops import CARAFEPack, carafe
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F
from torch.testing import assert_close


def formula(
    features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int
) -> Tensor:
    """(B, C, H, W), (B, G * K * K, U * H, U * W) -> (B, C, U * H, U * W)."""
    size = features.shape[2:]
    seen = F.unfold(features, kernel, padding=kernel // 2).unflatten(2, size)
    seen = seen.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    seen = seen.unflatten(1, (groups, -1, kernel**2))
    made = torch.einsum(
        'bgckhw,bgkhw->bgchw', seen, masks.unflatten(1, (groups, -1))
    )
    return made.flatten(1, 2)


@pytest.mark.parametrize('how', [(3, 1, 2), (5, 2, 2), (1, 3, 1), (3, 6, 3)])
def test_output_and_gradients(how):
    kernel, groups, scale = how
    masks = torch.randn(2, groups * kernel**2, 4 * scale, 5 * scale)
    given = [torch.randn(2, 6, 4, 5), masks]
    results = []
    for compute in (carafe, formula):
        leaves = [t.clone().requires_grad_() for t in given]
        out = compute(leaves[0], leaves[1], *how)
        out.square().sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    assert_close(*results, rtol=1e-5, atol=1e-5)


def test_gradient_is_the_derivative():
    features = torch.randn(1, 4, 3, 2, dtype=torch.float64)
    masks = torch.randn(1, 18, 6, 4, dtype=torch.float64)
    given = [features.requires_grad_(), masks.requires_grad_()]
    assert gradcheck(
        lambda *tensors: carafe(*tensors, 3, 2, 2), given, fast_mode=True
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    layer, x = CARAFEPack(8, 2), torch.randn(1, 8, 5, 4)
    expected = layer(x)
    with torch.autocast('cpu', dtype):
        out = layer(x.requires_grad_())
    assert_close(out, expected, rtol=0.1, atol=0.1, check_dtype=False)
    out.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    assert x.grad.any()
