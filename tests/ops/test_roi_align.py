"""RoIAlign equals the compiled operator, in both implementations."""

from typing import Any

import pytest
import torch
from mmcv.ops import roi_align
from torch.autograd import gradcheck
from torch.testing import assert_close

from vitdense.ops import backend as backends

CLOSE: dict[str, Any] = dict(rtol=1e-5, atol=1e-5)


def random_rois(count: int, images: int, seed: int = 0) -> torch.Tensor:
    """(N, 5) boxes around and beyond a map of 160 x 240 pixels."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, images, (count, 1), generator=generator)
    points = torch.rand(2, count, 2, generator=generator)
    points = points * torch.tensor([300.0, 220.0]) - 30
    return torch.cat([image, points.amin(0), points.amax(0)], 1)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_equals_compiled(backend, golden, ratio, aligned, mode):
    maps = golden['feat'].clone().requires_grad_()
    out = roi_align(maps, golden['rois'], 7, 0.1, ratio, mode, aligned)
    out.backward(golden['grad_out'])
    name = f'roi_align_sr{ratio}_aligned{aligned}_{mode}'
    assert_close(out.detach(), golden[name], **CLOSE)
    assert_close(maps.grad, golden[f'{name}_grad'], **CLOSE)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('ratio', [0, 2])
def test_gradient_is_the_derivative(backend, ratio, mode):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(
        2, 1, 5, 6, dtype=torch.float64, generator=generator
    ).requires_grad_()
    rois = random_rois(3, 2).double()
    assert gradcheck(
        lambda x: roi_align(x, rois, (3, 2), 0.03, ratio, mode), maps
    )


def test_gradients_add_up_over_overlapping_rois(backend):
    maps = torch.zeros(1, 1, 8, 8, requires_grad=True)
    rois = torch.tensor([[0, 2.0, 2.0, 6.0, 6.0]]).repeat(50, 1)
    roi_align(maps, rois, 2).sum().backward()
    assert_close(maps.grad.sum().item(), 50 * 4.0)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_rois(backend, mode):
    maps = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = roi_align(maps, torch.zeros(0, 5), 7, 1.0, 0, mode)
    assert out.shape == (0, 3, 7, 7)
    out.sum().backward()
    assert not maps.grad.any()


def test_one_map_for_each_roi(backend):
    # as mmdet crops masks: 40 maps of one channel
    maps = torch.rand(40, 1, 30, 50)
    rois = random_rois(40, 1) / 5
    rois[:, 0] = torch.arange(40)
    together = roi_align(maps, rois, 28)
    for i in (0, 17, 39):
        alone = rois[i : i + 1] * torch.tensor([0, 1, 1, 1, 1])
        expected = roi_align(maps[i : i + 1], alone, 28)
        assert_close(together[i : i + 1], expected)


def test_memory_layout_does_not_matter(backend):
    maps = torch.randn(2, 4, 16, 24)
    rois = random_rois(9, 2)
    out = roi_align(maps, rois, (7, 5), 0.1)
    strided = maps.to(memory_format=torch.channels_last)
    assert_close(roi_align(strided, rois, (7, 5), 0.1), out)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(backend, dtype):
    maps, rois = torch.randn(2, 4, 16, 24).to(dtype), random_rois(9, 2)
    rois = rois.to(dtype)
    expected = roi_align(maps.float(), rois.float(), 7, 0.1)
    with torch.autocast('cpu', dtype):
        out = roi_align(maps.requires_grad_(), rois, 7, 0.1)
    assert_close(out, expected.to(dtype))
    out.sum().backward()
    assert maps.grad.dtype == dtype
    assert maps.grad.any()


def test_autocast_does_not_lower_precision(backend):
    maps, rois = torch.randn(2, 4, 16, 24), random_rois(9, 2)
    expected = roi_align(maps, rois, 7, 0.1)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(roi_align(maps, rois, 7, 0.1), expected)


@pytest.mark.parametrize('image', [-1, 2, float('nan')])
def test_a_roi_of_no_image_is_refused(backend, image):
    rois = torch.tensor([[0, 0, 0, 4, 4], [image, 0, 0, 4, 4]])
    with pytest.raises(ValueError, match=r'has 2 images, counted from 0'):
        roi_align(torch.zeros(2, 1, 8, 8), rois, 7)


@pytest.mark.parametrize('right', [-4, float('inf'), float('nan')])
def test_a_roi_that_is_no_box_is_refused(backend, right):
    rois = torch.tensor([[0, 0, 0, 4, 4], [1, 0, 0, right, 4]])
    with pytest.raises(ValueError, match='RoI 1 of 2 is not a finite box'):
        roi_align(torch.zeros(2, 1, 8, 8), rois, 7)


@pytest.mark.parametrize('size', [(160, 240), (20, 30)])
@pytest.mark.parametrize('ratio', [0, 3])
def test_implementations_agree(monkeypatch, size, ratio):
    if backends.load_kernels() is None:
        return  # there is only one, held against the golden file
    maps, rois = torch.randn(2, 5, *size), random_rois(150, 2)
    grad = torch.randn(150, 5, 7, 3)
    results = []
    for _ in range(2):
        x = maps.clone().requires_grad_()
        out = roi_align(x, rois, (7, 3), size[0] / 160, ratio)
        out.backward(grad)
        results.append((out.detach(), x.grad))
        monkeypatch.setattr(backends, 'load_kernels', lambda: None)
    assert_close(*results, **CLOSE)


@pytest.mark.parametrize('threads', [1, 3])
def test_any_number_of_threads(threads):
    maps, rois = torch.randn(2, 5, 20, 30), random_rois(20, 2)
    expected = roi_align(maps, rois, 7, 0.125)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_close(roi_align(maps, rois, 7, 0.125), expected)
    finally:
        torch.set_num_threads(before)
