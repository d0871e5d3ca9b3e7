"""Backbones through ``torch.compile`` as users call it, at symbolic sizes.

Minutes each, as C++ is generated and built, so they are of ``make soak``. What
``make test-slow`` has of the kind is in ``tests/engine/test_compile.py``.
"""

import shutil
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vitdense

# two stages of a block are all that a design has to show, but for T2T-ViT
PYRAMID = {
    'dims': (32, 64),
    'depths': (1, 1),
    'heads': (1, 2),
    'mlp_ratios': (2, 2),
}
REDUCED = {**PYRAMID, 'reductions': (4, 2)}
PUBLISHED = {
    'dims': (16, 16, 32, 32),
    'depths': (1, 1, 1, 1),
    'heads': (1, 1, 2, 2),
    'mlp_ratios': (1, 1, 2, 2),
}
ARCHS: dict[str, tuple[str, dict[str, Any]]] = {
    'v1': ('PVT', REDUCED),
    'v2': ('PVT', REDUCED),
    'v2-li': ('PVT', REDUCED),
    'cvt': ('CvT', PYRAMID),
    'performer': ('T2TViT', PUBLISHED),
    'transformer': ('T2TViT', PUBLISHED),
    'pyramid': ('T2TViT', REDUCED),
}

pytestmark = [
    pytest.mark.soak,
    pytest.mark.usefixtures('nothing_compiled'),
    pytest.mark.skipif(
        not (shutil.which('g++') or shutil.which('clang++')),
        reason='torch.compile needs a C++ compiler',
    ),
]


def build(design: str) -> nn.Module:
    torch.manual_seed(0)
    family, arch = ARCHS[design]
    if family != 'CvT':
        arch = {**arch, 'design': design}
    # what sets 'transformer' apart from 'performer' is in its first stages
    last = 1 if design == 'transformer' else len(arch['dims']) - 1
    return getattr(vitdense, family)(
        arch, out_indices=range(last + 1), drop_path_rate=0.0
    )


def levels_and_grads(
    model: nn.Module, run: Callable[..., Any], images: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    model.zero_grad()
    levels = run(images)
    sum(level.square().mean() for level in levels).backward()
    return list(levels), [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize('design', ARCHS)
def test_trains_at_any_size(design: str) -> None:
    plain = build(design).train()
    copied = deepcopy(plain)
    compiled = torch.compile(copied, fullgraph=True, dynamic=True)
    # multiples of 32 first, then odd ones, whose windows may leave cells over
    for hw in ((96, 128), (128, 96), (97, 161), (161, 99)):
        images = torch.randn(2, 3, *hw)
        levels, grads = levels_and_grads(copied, compiled, images)
        expected, expected_grads = levels_and_grads(plain, plain, images)
        for one, other in zip(levels, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        for one, other in zip(grads, expected_grads, strict=True):
            scale = other.abs().max() + 1e-6
            assert (one - other).abs().max() < 1e-2 * scale
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] <= 2
