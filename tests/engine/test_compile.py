"""--compile: the backbone alone, in place, under any wrapper."""

import shutil
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import vitdense
from vitdense.engine import CompileBackboneHook

pytestmark = pytest.mark.usefixtures('nothing_compiled')


class Wrapper(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


def detector(backbone: nn.Module) -> nn.Module:
    model = nn.Module()
    model.backbone = backbone
    return model


@pytest.mark.parametrize('wrap', [lambda m: m, Wrapper])
def test_compiles_the_backbone(wrap) -> None:
    model = detector(nn.Linear(2, 2))
    CompileBackboneHook().before_run(SimpleNamespace(model=wrap(model)))
    assert model.backbone._compiled_call_impl is not None
    assert model._compiled_call_impl is None


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which('g++') or shutil.which('clang++')),
    reason='torch.compile needs a C++ compiler',
)
def test_trains_and_infers_at_several_sizes() -> None:
    torch.manual_seed(0)
    backbone = vitdense.PVT('v2-b0', out_indices=(0,), drop_path_rate=0.0)
    plain = deepcopy(backbone)
    CompileBackboneHook().before_run(SimpleNamespace(model=detector(backbone)))
    for hw in ((64, 96), (64, 64), (128, 64)):
        x = torch.randn(2, 3, *hw)
        (level,), (expected,) = backbone(x), plain(x)
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-5)
        level.square().mean().backward()
        expected.square().mean().backward()
        for one, other in zip(
            backbone.parameters(), plain.parameters(), strict=True
        ):
            torch.testing.assert_close(one.grad, other.grad)
    backbone.eval(), plain.eval()
    with torch.no_grad():
        for hw in ((64, 96), (96, 64)):
            x = torch.randn(2, 3, *hw)
            (level,), (expected,) = backbone(x), plain(x)
            torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-5)
    # one for training and one for inference, whatever the size
    stats = torch._dynamo.utils.counters['stats']
    assert stats['unique_graphs'] == 2


def test_needs_a_backbone() -> None:
    with pytest.raises(ValueError, match='Linear has no backbone'):
        CompileBackboneHook().before_run(
            SimpleNamespace(model=nn.Linear(1, 1))
        )


def test_names_in_checkpoints_stay() -> None:
    model = detector(nn.Linear(2, 2))
    names = list(model.state_dict())
    CompileBackboneHook().before_run(SimpleNamespace(model=model))
    assert list(model.state_dict()) == names
    assert model.backbone._compiled_call_impl is not None
