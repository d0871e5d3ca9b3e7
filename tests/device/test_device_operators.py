"""On an accelerator every operator gives what it gives on the CPU."""

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from devices import CUDA, Device, Played, cpu_with_shortcuts, on_cuda, played
from mmcv.ops import (
    PSAMask,
    batched_nms,
    carafe,
    deform_conv2d,
    deform_roi_pool,
    modulated_deform_conv2d,
    nms,
    roi_align,
    roi_pool,
    sigmoid_focal_loss,
    soft_nms,
)
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import Tensor
from torch.testing import assert_close

from vitdense.ops import roi_align as dispatch
from vitdense.ops.roi_align_torchvision import torchvision_for

everywhere = pytest.mark.parametrize(
    'device', [on_cuda, played], indirect=True
)
# RoIAlign of a RoI that names the third of two images.
BAD_ROI = """
import torch, vitdense
from mmcv.ops import roi_align
rois = torch.tensor([[2.0, 0, 0, 4, 4]], device='cuda')
roi_align(torch.zeros(2, 1, 8, 8, device='cuda'), rois, 7)
torch.cuda.synchronize()
"""
# Tolerance by precision; None is that of ``assert_close``.
CLOSE = {torch.float32: 1e-5, torch.float16: None}


def on_both(
    compute: Callable[..., list[Tensor]], device: Device, *tensors: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """What the device gives, and what the CPU does, both on the CPU."""
    with cpu_with_shortcuts():
        wanted = compute(*(t.clone() for t in tensors))
    found = compute(*map(device.tensor, tensors))
    return [device.back(t) for t in found], [t.detach() for t in wanted]


def random_boxes(count: int) -> Tensor:
    """(N, 4) boxes around and beyond a picture of 160 x 240 pixels."""
    points = torch.rand(2, count, 2) * torch.tensor([300.0, 220.0]) - 30
    return torch.cat([points.amin(0), points.amax(0)], 1)


def random_scores(count: int) -> Tensor:
    """(N,), no two the same: a sort may swap equal ones."""
    return torch.randperm(count) / 4096


def random_rois(count: int) -> Tensor:
    """(N, 5) boxes on two images."""
    return torch.cat([torch.randint(0, 2, (count, 1)), random_boxes(count)], 1)


@pytest.mark.parametrize(
    ('device', 'choose'),
    [
        pytest.param(CUDA(), torchvision_for, marks=pytest.mark.gpu),
        pytest.param(CUDA(), lambda _: None, marks=pytest.mark.gpu),
        pytest.param(Played(), lambda _: None),
    ],
    ids=['cuda-torchvision', 'cuda', 'played'],
    indirect=['device'],
)
@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_roi_align(
    mode: str,
    aligned: bool,
    ratio: int,
    dtype: torch.dtype,
    device: Device,
    choose: Callable[[Tensor], ModuleType | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, 'torchvision_for', choose)

    def compute(maps: Tensor, rois: Tensor) -> list[Tensor]:
        maps.requires_grad_()
        pooled = roi_align(maps, rois, (7, 5), 0.1, ratio, mode, aligned)
        pooled.float().square().sum().backward()
        assert maps.grad is not None
        return [pooled, maps.grad]

    maps = torch.randn(2, 5, 16, 24).to(dtype)
    found, wanted = on_both(compute, device, maps, random_rois(12).to(dtype))
    assert_close(found, wanted, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@pytest.mark.parametrize('device', [on_cuda], indirect=True)
def test_roi_align_of_torchvision_does_not_wait(device: Device) -> None:
    maps = device.tensor(torch.randn(2, 5, 16, 24)).requires_grad_()
    if torchvision_for(maps) is None:
        pytest.skip('torchvision has no RoIAlign here that agrees')
    rois = device.tensor(random_rois(12))
    with device.no_waiting():
        roi_align(maps, rois, 7, 0.1).sum().backward()


@pytest.mark.gpu
def test_a_roi_of_no_image_is_refused() -> None:
    """By the host if it has the RoIs, else by the device: fatal there."""
    command = [sys.executable, '-c', BAD_ROI]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert 'image' in done.stderr or 'device-side assert' in done.stderr


@everywhere
@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('count', [0, 1, 700])
def test_nms(
    count: int, offset: int, dtype: torch.dtype, device: Device
) -> None:
    boxes = random_boxes(count).to(dtype)
    found, wanted = on_both(
        lambda *given: list(nms(*given, 0.5, offset)),
        device,
        boxes,
        random_scores(count).to(boxes.dtype),
    )
    assert all(map(torch.equal, found, wanted))


@everywhere
@pytest.mark.parametrize('agnostic', [True, False])
@pytest.mark.parametrize('split', [10000, 100])
def test_batched_nms(split: int, agnostic: bool, device: Device) -> None:
    options = {'type': 'nms', 'iou_threshold': 0.5, 'split_thr': split}
    found, wanted = on_both(
        lambda *given: list(batched_nms(*given, options, agnostic)),
        device,
        random_boxes(300),
        random_scores(300),
        torch.randint(0, 4, (300,)),
    )
    assert all(map(torch.equal, found, wanted))


@everywhere
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(method: str, device: Device) -> None:
    found, wanted = on_both(
        lambda *given: list(soft_nms(*given, method=method)),
        device,
        random_boxes(60),
        random_scores(60),
    )
    assert_close(found, wanted)


@everywhere
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('dtype', CLOSE)
def test_focal_loss(
    dtype: torch.dtype, weighted: bool, device: Device
) -> None:
    def compute(
        logits: Tensor, target: Tensor, *weight: Tensor
    ) -> list[Tensor]:
        logits.requires_grad_()
        given = weight[0] if weight else None
        loss = sigmoid_focal_loss(logits, target, 2.0, 0.25, given, 'none')
        loss.float().sum().backward()
        assert logits.grad is not None
        return [loss, logits.grad]

    # a weight is that of a class, so none for the background, class 5
    target = torch.randint(0, 5 if weighted else 6, (40,))
    weight = [torch.rand(5).to(dtype)] if weighted else []
    logits = (3 * torch.randn(40, 5)).to(dtype)
    found, wanted = on_both(compute, device, logits, target, *weight)
    assert_close(found, wanted, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@everywhere
def test_focal_loss_does_not_wait(device: Device) -> None:
    logits = device.tensor(torch.randn(40, 5)).requires_grad_()
    target = device.tensor(torch.randint(0, 6, (40,)))
    with device.no_waiting():
        sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'sum').backward()


LEVELS = torch.tensor([[4, 6], [2, 3]]), torch.tensor([0, 24])
# The operator, and its inputs that get gradients, by shape.
SAMPLING: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    'deform_conv2d': (
        lambda x, move, w: deform_conv2d(x, move, w, 2, 1, 1, 2, 2),
        [(2, 4, 7, 9), (2, 36, 4, 5), (6, 2, 3, 3)],
    ),
    'modulated_deform_conv2d': (
        lambda *given: modulated_deform_conv2d(*given, 1, 1),
        [(2, 4, 7, 9), (2, 18, 7, 9), (2, 9, 7, 9), (6, 4, 3, 3), (6,)],
    ),
    'ms_deform_attn': (
        lambda value, at, weight: MultiScaleDeformableAttnFunction.apply(
            value, *(t.to(value.device) for t in LEVELS), at, weight, 64
        ),
        [(2, 30, 2, 4), (2, 5, 2, 2, 3, 2), (2, 5, 2, 2, 3)],
    ),
    'carafe': (
        lambda x, masks: carafe(x, masks, 3, 2, 2),
        [(2, 4, 5, 3), (2, 18, 10, 6)],
    ),
    'psa_mask': (PSAMask('collect', (3, 5)), [(2, 15, 4, 3)]),
}


@everywhere
@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('name', SAMPLING)
def test_sampling(name: str, dtype: torch.dtype, device: Device) -> None:
    function, shapes = SAMPLING[name]

    def compute(*given: Tensor) -> list[Tensor]:
        leaves = [t.requires_grad_() for t in given]
        out = function(*leaves)
        out.float().sum().backward()
        return [out, *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    given = [torch.randn(shape).to(dtype) for shape in shapes]
    found, wanted = on_both(compute, device, *given)
    assert len(found) == 1 + len(given)
    assert_close(found, wanted, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@everywhere
@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('moved', [False, True])
def test_pooling(moved: bool, dtype: torch.dtype, device: Device) -> None:
    def compute(maps: Tensor, rois: Tensor, *move: Tensor) -> list[Tensor]:
        maps.requires_grad_()
        if moved:
            pooled = deform_roi_pool(maps, rois, *move, (7, 5), 0.1)
        else:
            pooled = roi_pool(maps, rois, (7, 5), 0.1)
        pooled.float().square().sum().backward()
        assert maps.grad is not None
        return [pooled, maps.grad]

    maps, moves = torch.randn(2, 5, 16, 24), torch.randn(12, 2, 7, 5)
    given = [maps, random_rois(12), *([moves] if moved else [])]
    found, wanted = on_both(compute, device, *(t.to(dtype) for t in given))
    assert_close(found, wanted, rtol=CLOSE[dtype], atol=CLOSE[dtype])
