"""How often operators wait for an accelerator, and that results are equal.

The accelerator is played, see ``accelerator.py``; the real one has its tests
marked ``gpu``.
"""

from types import ModuleType
from typing import Any

import pytest
import torch
from accelerator import OnDevice, accelerator, send
from mmcv.ops import (
    PSAMask,
    carafe,
    deform_conv2d,
    deform_roi_pool,
    modulated_deform_conv2d,
    roi_pool,
)
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch.testing import assert_close

from vitdense.ops import extension
from vitdense.ops import roi_align as dispatch
from vitdense.ops import roi_align_torchvision as native
from vitdense.ops.roi_align import roi_align_backward, roi_align_forward

ROIS = torch.tensor(
    [
        [0, 1.0, 2.0, 30.0, 40.0],
        [1, -9.0, 4.0, 8.0, 9.0],
        [0, 0.0, 0.0, 90.0, 60.0],
        [1, 5.0, 5.0, 5.0, 5.0],
    ]
)
MAPS = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
AVERAGE, MAX = 1, 0


def pooled(maps, rois, mode, ratio):
    """Forward and backward of RoIAlign, as mmcv calls them."""
    output = maps.new_zeros(len(rois), 3, 4, 5)
    values, places = (maps.new_zeros(output.shape) for _ in range(2))
    settings = (4, 5, 0.25, ratio, mode, True)
    roi_align_forward(maps, rois, output, values, places, *settings)
    grad = maps.new_zeros(maps.shape)
    roi_align_backward(output, rois, values, places, grad, *settings)
    return output, grad


@pytest.fixture
def no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, 'torchvision_for', lambda _: None)


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its operators in outline: they would not wait."""
    ops: Any = ModuleType('torchvision.ops')
    ops.roi_align = lambda maps, rois, bins, *_: maps.new_ones(
        len(rois), maps.size(1), *bins
    )
    monkeypatch.setattr(dispatch, 'torchvision_for', lambda _: ops)


@pytest.mark.usefixtures('no_torchvision')
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize(('mode', 'waits'), [(AVERAGE, 2), (MAX, 1)])
def test_roi_align_waits_for_the_rois(mode, waits, ratio):
    """Once in each pass; the maximum's places tell its backward pass all."""
    expected = pooled(MAPS, ROIS, mode, ratio)
    with accelerator() as device:
        maps, rois = send(MAPS, ROIS)
        found = pooled(maps, rois, mode, ratio)
        assert all(isinstance(tensor, OnDevice) for tensor in found)
    assert device.waits == ['aten._to_copy.default'] * waits
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours.numbers, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures('torchvision')
def test_roi_align_of_torchvision_does_not_wait():
    with accelerator() as device:
        maps, rois = send(MAPS, ROIS)
        output = maps.new_zeros(len(rois), 3, 4, 5)
        settings = (4, 5, 0.25, 0, AVERAGE, True)
        roi_align_forward(maps, rois, output, output, output, *settings)
    assert device.waits == []
    assert output.numbers.eq(1).all()


@pytest.mark.usefixtures('torchvision')
@pytest.mark.parametrize(('row', 'value'), [(0, 2.0), (3, -90.0)])
def test_the_device_refuses_bad_rois(row, value):
    """It knows no more than that; elsewhere the message names the RoI."""
    bad = ROIS.clone()
    bad[1, row] = value
    with accelerator() as device:
        maps, rois = send(MAPS, bad)
        output = maps.new_zeros(len(rois), 3, 4, 5)
        settings = (4, 5, 0.25, 0, AVERAGE, True)
        with pytest.raises(RuntimeError, match='a RoI names no image, or'):
            roi_align_forward(maps, rois, output, output, output, *settings)
    assert device.waits == []


@pytest.mark.parametrize('count', [0, 1, 700])
def test_nms_waits_once(count):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(count, 2, generator=generator) * 90
    size = torch.rand(count, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + size], 1)
    scores = torch.rand(count, generator=generator)
    expected = extension.nms(boxes, scores, 0.5, 0)
    with accelerator() as device:
        there, ranks = send(boxes, scores)
        kept: Any = extension.nms(there, ranks, 0.5, 0)
    assert device.waits == ['aten._to_copy.default']
    assert torch.equal(kept.numbers, expected)


@pytest.mark.parametrize('weight', [torch.ones(0), torch.tensor([1.0, 3.0])])
def test_focal_loss_does_not_wait(weight):
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 1, 0, 1, 0])
    for function in (
        extension.sigmoid_focal_loss_forward,
        extension.sigmoid_focal_loss_backward,
    ):
        expected = torch.empty_like(logits)
        function(logits, target, weight, expected, 2.0, 0.25)
        with accelerator() as device:
            x, y, w = send(logits, target, weight)
            output: Any = torch.empty_like(x)
            function(x, y, w, output, 2.0, 0.25)
        assert device.waits == []
        assert_close(output.numbers, expected)


def gradients_of(function, *tensors):
    """What a differentiable function gives, and the gradients of it all."""
    with torch.enable_grad():
        leaves = [
            t.detach().requires_grad_(t.is_floating_point()) for t in tensors
        ]
        out = function(*leaves)
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        found = torch.autograd.grad(out, wanted, torch.ones_like(out))
    return [out.detach(), *found]


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


LEVELS = torch.tensor([[4, 6], [2, 3]]), torch.tensor([0, 24])
SAMPLING = {
    'deform_conv2d': (
        lambda x, move, w: deform_conv2d(x, move, w, 2, 1, 1, 2, 2),
        [random(2, 4, 7, 9), random(2, 36, 4, 5), random(6, 2, 3, 3)],
    ),
    'modulated_deform_conv2d': (
        lambda *given: modulated_deform_conv2d(*given, 1, 1),
        [
            random(2, 4, 7, 9),
            random(2, 18, 7, 9),
            random(2, 9, 7, 9),
            random(6, 4, 3, 3),
            random(6),
        ],
    ),
    'ms_deform_attn': (
        lambda v, shapes, start, at, w: MultiScaleDeformableAttnFunction.apply(
            v, shapes, start, at, w, 64
        ),
        [
            random(2, 30, 2, 4),
            *LEVELS,
            random(2, 5, 2, 2, 3, 2),
            random(2, 5, 2, 2, 3),
        ],
    ),
    'carafe': (
        lambda x, masks: carafe(x, masks, 3, 2, 2),
        [random(2, 4, 5, 3), random(2, 18, 10, 6)],
    ),
    'psa_mask': (PSAMask('collect', (3, 5)), [random(2, 15, 4, 3)]),
}


@pytest.mark.parametrize('name', SAMPLING)
def test_sampling_does_not_wait(name):
    function, given = SAMPLING[name]
    expected = gradients_of(function, *given)
    with accelerator() as device:
        found = gradients_of(function, *send(*given))
    assert device.waits == []
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours.numbers, theirs, rtol=1e-5, atol=1e-5)


POOLING: dict[str, tuple[int, Any]] = {
    # the places of maxima tell the backward pass all
    'roi_pool': (1, lambda m, rois: roi_pool(m, rois, (4, 5), 0.25)),
    'deform_roi_pool': (
        2,
        lambda m, rois, move: deform_roi_pool(m, rois, move, (4, 5), 0.25),
    ),
}


@pytest.mark.parametrize('name', POOLING)
def test_pooling_waits_for_the_rois(name):
    waits, function = POOLING[name]
    moves = [random(4, 2, 4, 5)] if name == 'deform_roi_pool' else []

    def pool(maps, rois, *offset):
        return gradients_of(lambda m, *o: function(m, rois, *o), maps, *offset)

    expected = pool(MAPS, ROIS, *moves)
    with accelerator() as device:
        found: Any = pool(*send(MAPS, ROIS, *moves))
    assert device.waits == ['aten._to_copy.default'] * waits
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours.numbers, theirs, rtol=1e-5, atol=1e-5)


def test_the_played_accelerator_counts_and_refuses():
    with accelerator() as device:
        (x,) = send(torch.arange(4.0))
        for wait in (
            lambda: bool(x.any()),
            lambda: x[x > 1],
            lambda: x.nonzero(),
            lambda: x.equal(x),
            lambda: x.cpu(),
            lambda: torch.ones(4).to(x.device),
            lambda: x.copy_(torch.ones(4)),
        ):
            device.waits.clear()
            wait()
            assert len(device.waits) == 1, wait
        device.waits.clear()
        torch.where(x > 1, x, 0).sum() + torch.arange(4, device=x.device)
        torch.ones(4).to(x.device, non_blocking=True)
        assert not device.waits
        with pytest.raises(RuntimeError, match='cpu and cuda'):
            x + torch.ones(4)
    assert native.torchvision_for(torch.zeros(1)) is None
