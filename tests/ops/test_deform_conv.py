"""Deformable convolutions equal the compiled operators."""

import zlib
from typing import Any

import numpy as np
import pytest
import torch
from golden import golden_arrays
from mmcv.ops import (
    DeformConv2d,
    ModulatedDeformConv2dPack,
    deform_conv2d,
    modulated_deform_conv2d,
)
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

from vitdense.ops import deform_conv

CLOSE: dict[str, Any] = dict(rtol=1e-5, atol=1e-5)
# in and out channels, kernel, then as the functions take them: stride,
# padding, dilation, groups, deformable groups
CASES = {
    'a': (8, 12, 3, 1, 1, 1, 1, 1),
    'b': (8, 12, 3, 2, 1, 1, 2, 2),
    'c': (8, 8, 3, 1, 2, 2, 1, 4),
    'd': (6, 4, 1, 1, 0, 1, 1, 1),
}
COMPILED = {
    name: torch.from_numpy(array)
    for name, array in golden_arrays('mmcv_deform').items()
}


def draw(name: str, *shape: int, scale: float = 1.0) -> Tensor:
    """The documented value of an input."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    x = scale * generator.standard_normal(shape)
    return torch.from_numpy(x.astype(np.float32))


def operands(case: str) -> tuple[dict[str, Tensor], Tensor, tuple[int, ...]]:
    """Inputs by name, gradient of the output, and what else is passed."""
    channels, out, kernel, *how = CASES[case]
    stride, groups, deform_groups = how[0], how[3], how[4]
    size = (7, 9) if stride == 2 else (13, 17)
    maps = deform_groups * kernel**2
    shape = (out, channels // groups, kernel, kernel)
    given = {
        'x': draw(f'{case}x', 2, channels, 13, 17),
        'offset': draw(f'{case}o', 2, 2 * maps, *size, scale=2),
        'mask': draw(f'{case}m', 2, maps, *size).sigmoid(),
        'weight': draw(f'{case}w', *shape, scale=0.2),
        'bias': draw(f'{case}b', out),
    }
    return given, draw(f'{case}g', 2, out, *size), tuple(how)


def assert_compiled(found: Tensor, name: str) -> None:
    """Maps are kept in part: every third row and column."""
    whole = name.endswith(('weight', 'bias'))
    kept = found if whole else found[:, :, ::3, ::3]
    assert_close(kept, COMPILED[name], **CLOSE)


@pytest.mark.parametrize('values', [deform_conv._VALUES, 2000])
@pytest.mark.parametrize('case', CASES)
def test_equals_compiled(case, values, monkeypatch):
    monkeypatch.setattr(deform_conv, '_VALUES', values)
    given, grad, how = operands(case)
    leaves = {
        name: given[name].clone().requires_grad_()
        for name in ('x', 'offset', 'weight')
    }
    out = deform_conv2d(*leaves.values(), *how, False, 2)
    out.backward(grad)
    assert_compiled(out.detach(), f'{case}_deform')
    for name, leaf in leaves.items():
        assert_compiled(leaf.grad, f'{case}_deform_grad_{name}')


@pytest.mark.parametrize('case', CASES)
def test_modulated_equals_compiled(case):
    given, grad, how = operands(case)
    leaves = {k: v.clone().requires_grad_() for k, v in given.items()}
    out = modulated_deform_conv2d(*leaves.values(), *how)
    out.backward(grad)
    assert_compiled(out.detach(), f'{case}_modulated')
    for name, leaf in leaves.items():
        assert_compiled(leaf.grad, f'{case}_modulated_grad_{name}')


@pytest.mark.parametrize('step', [1, 2])
def test_images_at_a_time_do_not_matter(step):
    given, _, how = operands('b')
    x, offset, weight = (given[name] for name in ('x', 'offset', 'weight'))
    out = deform_conv2d(x, offset, weight, *how, False, step)
    assert_compiled(out, 'b_deform')


def test_gradients_are_the_derivatives():
    x = torch.randn(1, 4, 5, 6, dtype=torch.float64)
    offset = torch.randn(1, 2 * 2 * 6, 3, 3, dtype=torch.float64)
    mask = torch.rand(1, 2 * 6, 3, 3, dtype=torch.float64)
    weight = torch.randn(4, 2, 2, 3, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    how = ((2, 2), (1, 1), (2, 1), 2, 2)
    given = [t.requires_grad_() for t in (x, offset, mask, weight, bias)]
    assert gradcheck(
        lambda *t: modulated_deform_conv2d(*t, *how), given, fast_mode=True
    )
    assert gradcheck(
        lambda x, offset, weight: deform_conv2d(x, offset, weight, *how),
        [x, offset, weight],
        fast_mode=True,
    )


@pytest.mark.parametrize('bad', [0.0, np.nan, np.inf, -1e30])
def test_without_offsets_it_is_a_convolution(bad):
    """What lies nowhere counts as zero, and moves nothing."""
    x, weight = torch.randn(2, 4, 9, 8), torch.randn(6, 4, 3, 3)
    offset = torch.zeros(2, 18, 9, 8, requires_grad=True)
    expected = torch.nn.functional.conv2d(x, weight, padding=1)
    with torch.no_grad():
        offset[0, 8:10] = bad  # the central tap
    found = deform_conv2d(x, offset, weight, 1, 1)
    if bad != 0:
        expected[0] -= torch.nn.functional.conv2d(x[0], weight[:, :, 1:2, 1:2])
    assert_close(found.detach(), expected, **CLOSE)
    found.sum().backward()
    # taps that begin one cell outside of the map do not draw anything in
    assert not offset.grad[:, 0, 0].any()
    assert offset.grad[:, 0, 1, 1:].all()
    assert offset.grad.isfinite().all()


def test_memory_layout_does_not_matter():
    given, _, how = operands('b')
    x, offset, weight = (
        given[name].to(memory_format=torch.channels_last)
        for name in ('x', 'offset', 'weight')
    )
    leaves = [x.requires_grad_(), offset, weight]
    out = deform_conv2d(*leaves, *how, False, 2)
    assert_compiled(out.detach(), 'b_deform')
    out.sum().backward()
    assert x.grad.any()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    """As with mmcv the offsets' precision is that of the output."""
    layer = ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    torch.nn.init.normal_(layer.conv_offset.weight, std=0.1)
    x = torch.randn(2, 4, 9, 8, requires_grad=True)
    expected = layer(x)
    with torch.autocast('cpu', dtype):
        out = layer(x)
    assert out.dtype == dtype
    assert_close(out, expected.to(dtype), rtol=0.1, atol=0.1)
    out.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    assert x.grad.dtype == torch.float32
    assert x.grad.any()


def test_half_precision_is_computed_in_single():
    given, grad, how = operands('b')
    halves = [given[name].half() for name in ('x', 'offset', 'weight')]
    single = [half.float().requires_grad_() for half in halves]
    deform_conv2d(*single, *how).backward(grad.half().float())
    for half in halves:
        half.requires_grad_()
    deform_conv2d(*halves, *how).backward(grad.half())
    for half, wanted in zip(halves, single, strict=True):
        assert_close(half.grad, wanted.grad.half())


@pytest.mark.parametrize(
    ('name', 'shape', 'words'),
    [
        (
            'offset',
            (2, 17, 7, 9),
            r'offset .*\(2, 17, 7, 9\).*\(2, 36, 7, 9\)',
        ),
        ('offset', (2, 36, 6, 9), r'offset .*\(2, 36, 6, 9\)'),
        ('mask', (1, 18, 7, 9), r'mask .*\(1, 18, 7, 9\).*\(2, 18, 7, 9\)'),
        ('weight', (12, 8, 3, 3), 'of 8 channels.* 2 groups of 8'),
    ],
)
def test_shapes_that_do_not_fit(name, shape, words):
    given, _, how = operands('b')
    given[name] = torch.zeros(shape)
    with pytest.raises(ValueError, match=words):
        modulated_deform_conv2d(*given.values(), *how)


def test_offsets_of_a_finer_level_are_read_as_they_lie():
    """As the compiled modulated one does, without a look at their size."""
    given, grad, how = operands('a')
    larger = {
        name: torch.randn(2, given[name].size(1), 26, 34)
        for name in ('offset', 'mask')
    }
    for name, tensor in larger.items():
        tensor.flatten(1)[:, : given[name][0].numel()] = given[name].flatten(1)
    leaves = {k: larger.get(k, v).requires_grad_() for k, v in given.items()}
    out = modulated_deform_conv2d(*leaves.values(), *how)
    out.backward(grad)
    assert_compiled(out.detach(), 'a_modulated')
    for name, tensor in larger.items():
        read = given[name][0].numel()
        found = tensor.grad.flatten(1)[:, :read].view(given[name].shape)
        assert_compiled(found, f'a_modulated_grad_{name}')
        assert not tensor.grad.flatten(1)[:, read:].any()


def test_deformable_groups_divide_the_channels():
    layer = DeformConv2d(4, 4, 3, padding=1, deform_groups=3)
    with pytest.raises(ValueError, match=r'4 channels .* 3 deformable groups'):
        layer(torch.zeros(1, 4, 8, 8), torch.zeros(1, 54, 8, 8))
