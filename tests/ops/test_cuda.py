"""On CUDA every operator gives what it gives on the CPU, and when it waits."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from mmcv.ops import nms, roi_align, sigmoid_focal_loss
from torch import Tensor
from torch.testing import assert_close

from vitdense.ops.roi_align_torchvision import torchvision_for

pytestmark = pytest.mark.gpu
CLOSE = dict(rtol=1e-5, atol=1e-5)


@contextmanager
def without_waiting() -> Iterator[None]:
    """An error where the host waits for the device."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def random_boxes(count: int) -> Tensor:
    points = torch.rand(2, count, 2) * torch.tensor([300.0, 220.0]) - 30
    return torch.cat([points.amin(0), points.amax(0)], 1)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_roi_align(mode, dtype):
    maps = torch.randn(2, 5, 160, 240).to(dtype)
    image = torch.randint(0, 2, (50, 1))
    rois = torch.cat([image, random_boxes(50)], 1).to(dtype)
    results = []
    for device in ('cpu', 'cuda'):
        x = maps.to(device).requires_grad_()
        out = roi_align(x, rois.to(device), 7, 1.0, 0, mode)
        out.sum().backward()
        results.append((out.detach().cpu(), x.grad.cpu()))
    close = CLOSE if dtype == torch.float32 else {}
    assert_close(*results, **close)


def test_roi_align_of_torchvision_does_not_wait():
    maps = torch.randn(2, 5, 160, 240, device='cuda', requires_grad=True)
    if torchvision_for(maps) is None:
        pytest.skip('torchvision has no RoIAlign here that agrees')
    rois = torch.cat([torch.zeros(50, 1), random_boxes(50)], 1).cuda()
    with without_waiting():
        roi_align(maps, rois, 7, 1.0).sum().backward()


@pytest.mark.parametrize('count', [0, 1, 3000])
@pytest.mark.parametrize('offset', [0, 1])
def test_nms(count, offset):
    # no two scores are equal: sort need not keep the order of equal ones
    boxes, scores = random_boxes(count), torch.randperm(count) / 4096
    expected = nms(boxes, scores, 0.5, offset)[1]
    found = nms(boxes.cuda(), scores.cuda(), 0.5, offset)[1]
    assert torch.equal(found.cpu(), expected)


def test_focal_loss_does_not_wait():
    logits, target = torch.randn(40, 5), torch.randint(0, 6, (40,))
    results = []
    for device in ('cpu', 'cuda'):
        x, labels = logits.to(device).requires_grad_(), target.to(device)
        context = without_waiting() if device == 'cuda' else nullcontext()
        with context:
            loss = sigmoid_focal_loss(x, labels, 2.0, 0.25, None, 'sum')
            loss.backward()
        results.append((loss.detach().cpu(), x.grad.cpu()))
    assert_close(*results, **CLOSE)
