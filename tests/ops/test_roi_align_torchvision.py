"""torchvision's RoIAlign serves only where it agrees with ours.

It is absent here, so a stand-in of the same interface takes its place.
"""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from mmcv.ops import roi_align
from torch.testing import assert_close

from vitdense.ops import roi_align as dispatch
from vitdense.ops import roi_align_torchvision as native
from vitdense.ops.roi_align_average import average_backward, average_forward
from vitdense.ops.roi_geometry import axes

ROIS = torch.tensor([[0, 1.0, 2.0, 30.0, 40.0], [1, -9.0, 4.0, 8.0, 9.0]])


class Align(torch.autograd.Function):
    """Ours, called past the choice between implementations."""

    @staticmethod
    def forward(ctx, maps, rois, bins, scale, ratio, aligned):
        ctx.shape = maps.shape
        y, x = axes(rois, maps.shape[2:], bins, scale, aligned)
        ctx.args = rois[:, 0].long(), y, x, ratio
        return average_forward(maps, *ctx.args)

    @staticmethod
    def backward(ctx, grad):
        grad_maps = grad.new_zeros(ctx.shape)
        average_backward(grad_maps, grad, *ctx.args)
        return grad_maps, None, None, None, None, None


def module(shift: float) -> ModuleType:
    """A ``torchvision.ops`` whose results are off by ``shift``."""
    ops: Any = ModuleType('torchvision.ops')
    ops.calls = 0

    def align(*args):
        ops.calls += 1
        return Align.apply(*args) + shift

    ops.roi_align = align
    return ops


@pytest.fixture(autouse=True)
def no_memory():
    """Each test asks anew whether torchvision agrees."""
    native._agreeing.cache_clear()
    yield
    native._agreeing.cache_clear()


@pytest.mark.parametrize(('shift', 'agrees'), [(0.0, True), (1e-3, False)])
def test_it_must_agree(monkeypatch, shift, agrees):
    monkeypatch.setitem(sys.modules, 'torchvision.ops', module(shift))
    assert (native._agreeing('cpu') is not None) == agrees


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision.ops', None)
    assert native._agreeing('cpu') is None


def test_not_used_on_the_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision.ops', module(0.0))
    assert native.torchvision_for(torch.zeros(1)) is None


def test_results_and_gradients_go_through_it(monkeypatch):
    ops, maps = module(0.0), torch.randn(2, 3, 16, 12)
    results = []
    for _ in range(2):
        x = maps.clone().requires_grad_()
        out = roi_align(x, ROIS, 7, 0.25)
        out.backward(torch.ones_like(out))
        results.append((out.detach(), x.grad))
        assert ops.calls == 2 * (len(results) - 1)
        monkeypatch.setattr(dispatch, 'torchvision_for', lambda _: ops)
    assert_close(*results)
