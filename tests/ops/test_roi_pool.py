"""Max and deformable pooling of RoIs, against their definitions."""

import math

import pytest
import torch
from mmcv.ops import (
    DeformRoIPoolPack,
    ModulatedDeformRoIPoolPack,
    deform_roi_pool,
    roi_align,
    roi_pool,
)
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

from vitdense.ops import deform_roi_pool as deformable

# whole, across borders, outside, a point, large, a tenth of a cell
ROIS = torch.tensor(
    [
        [0, 0, 0, 47, 31],
        [1, -9, 4, 18, 9],
        [0, 60, 50, 70, 70],
        [1, 5, 5, 5, 5],
        [1, 3.3, 1.9, 44.7, 28.2],
        [0, 8.1, 8.2, 8.2, 8.3],
    ]
)
BINS, SCALE = (3, 4), 0.25


def maxima(maps: Tensor, rois: Tensor) -> Tensor:
    """mmcv's definition, bin by bin; (N, C, P, Q)."""
    out = maps.new_zeros(len(rois), maps.size(1), *BINS)
    for n, (image, *box) in enumerate(rois.tolist()):
        left, top = box[0] * SCALE, box[1] * SCALE
        wide = (box[2] + 1) * SCALE - left
        high = (box[3] + 1) * SCALE - top
        for p in range(BINS[0]):
            for q in range(BINS[1]):
                rows = slice(
                    max(math.floor(top + p * high / BINS[0]), 0),
                    max(math.ceil(top + (p + 1) * high / BINS[0]), 0),
                )
                columns = slice(
                    max(math.floor(left + q * wide / BINS[1]), 0),
                    max(math.ceil(left + (q + 1) * wide / BINS[1]), 0),
                )
                cells = maps[int(image), :, rows, columns]
                if cells.numel():
                    out[n, :, p, q] = cells.amax((1, 2))
    return out


def test_maxima_and_gradients():
    maps = torch.randn(2, 5, 8, 12)
    results = []
    for compute in (maxima, lambda m, r: roi_pool(m, r, BINS, SCALE)):
        leaf = maps.clone().requires_grad_()
        out = compute(leaf, ROIS)
        out.square().sum().backward()
        results.append([out.detach(), leaf.grad])
    assert_close(*results, rtol=1e-5, atol=1e-5)


def test_the_first_of_equal_cells_gets_the_gradient():
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    roi_pool(maps, torch.tensor([[0, 0.0, 0, 3, 3]]), 2, 1.0).sum().backward()
    assert maps.grad[0, 0].nonzero().tolist() == [
        [0, 0],
        [0, 2],
        [2, 0],
        [2, 2],
    ]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_maxima_in_half_precision(dtype):
    maps = torch.randn(2, 5, 8, 12).to(dtype).requires_grad_()
    out = roi_pool(maps, ROIS.to(dtype), BINS, SCALE)
    assert_close(
        out,
        roi_pool(maps.float(), ROIS.to(dtype).float(), BINS, SCALE).to(dtype),
    )
    out.sum().backward()
    assert maps.grad.dtype == dtype
    assert maps.grad.any()


@pytest.mark.parametrize('pool', [roi_pool, deform_roi_pool])
def test_no_rois(pool):
    maps = torch.randn(2, 3, 8, 8, requires_grad=True)
    args = (None,) if pool is deform_roi_pool else ()
    out = pool(maps, torch.zeros(0, 5), *args, BINS)
    assert out.shape == (0, 3, *BINS)
    out.sum().backward()
    assert not maps.grad.any()


@pytest.mark.parametrize('pool', [roi_pool, deform_roi_pool])
def test_a_roi_of_no_image_is_refused(pool):
    args = (None,) if pool is deform_roi_pool else ()
    rois = torch.tensor([[2, 0.0, 0, 3, 3]])
    with pytest.raises(ValueError, match='image 2; the feature map has 2'):
        pool(torch.zeros(2, 3, 8, 8), rois, *args, BINS)


@pytest.mark.parametrize('cells', [deformable._CELLS, 300])
@pytest.mark.parametrize('ratio', [0, 2])
def test_without_offsets_it_is_roi_align(ratio, cells, monkeypatch):
    monkeypatch.setattr(deformable, '_CELLS', cells)
    maps = torch.randn(2, 5, 8, 12)
    results = []
    for compute in (
        lambda m: roi_align(m, ROIS, BINS, SCALE, ratio),
        lambda m: deform_roi_pool(m, ROIS, None, BINS, SCALE, ratio),
    ):
        leaf = maps.clone().requires_grad_()
        out = compute(leaf)
        out.square().sum().backward()
        results.append([out.detach(), leaf.grad])
    assert_close(*results, rtol=1e-5, atol=1e-5)


def test_an_offset_moves_its_bin():
    """By gamma times the RoI's size, along x and then y."""
    maps, roi = torch.randn(1, 2, 16, 20), torch.tensor([[0, 2.0, 3, 8, 9]])
    offset = torch.zeros(1, 2, 2, 2)
    offset[0, 0, 0, 1], offset[0, 1, 0, 1] = 3.0, 5.0
    moved = roi + 6 * 0.1 * torch.tensor([0, 3, 5, 3, 5])
    found = deform_roi_pool(maps, roi, offset, 2, 1.0, 2, 0.1)
    expected = roi_align(maps, roi, 2, 1.0, 2)
    expected[..., 0, 1] = roi_align(maps, moved, 2, 1.0, 2)[..., 0, 1]
    assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('ratio', [0, 2])
def test_gradient_of_offsets_is_the_derivative(ratio):
    maps = torch.randn(2, 2, 6, 7, dtype=torch.float64).requires_grad_()
    offset = torch.randn(4, 2, 2, 3, dtype=torch.float64).requires_grad_()
    rois = torch.tensor(
        [
            [0, 1, 2, 20, 19],
            [1, 3, 1, 24, 8],
            [0, 2, 2, 9, 30],
            [1, 0, 0, 5, 5],
        ]
    ).double()
    assert gradcheck(
        lambda m, o: deform_roi_pool(m, rois, o, (2, 3), 0.25, ratio),
        [maps, offset],
        fast_mode=True,
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    'kind', [DeformRoIPoolPack, ModulatedDeformRoIPoolPack]
)
def test_autocast(kind, dtype):
    layer = kind(BINS, 4, 16, SCALE)
    maps = torch.randn(2, 4, 8, 12)
    expected = layer(maps, ROIS)
    with torch.autocast('cpu', dtype):
        out = layer(maps.requires_grad_(), ROIS)
    assert_close(out, expected, rtol=0.1, atol=0.1, check_dtype=False)
    out.float().square().sum().backward()
    assert maps.grad.any()
