"""--compile: the backbone alone, in place, under any wrapper."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from vitdense.engine import CompileBackboneHook
from vitdense.engine.config import set_compile


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.compiled_with: dict | None = None
        self.backbone.compile = lambda **options: setattr(
            self, 'compiled_with', options
        )


class Wrapper(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


@pytest.mark.parametrize('wrap', [lambda m: m, Wrapper])
def test_compiles_the_backbone_for_any_size(wrap) -> None:
    model = Model()
    CompileBackboneHook().before_run(SimpleNamespace(model=wrap(model)))
    assert model.compiled_with == {'dynamic': True}


def test_needs_a_backbone() -> None:
    with pytest.raises(ValueError, match='Linear has no backbone'):
        CompileBackboneHook().before_run(
            SimpleNamespace(model=nn.Linear(1, 1))
        )


def test_names_in_checkpoints_stay() -> None:
    model = nn.Module()
    model.backbone = nn.Linear(2, 2)
    names = list(model.state_dict())
    CompileBackboneHook().before_run(SimpleNamespace(model=model))
    assert list(model.state_dict()) == names
    assert model.backbone._compiled_call_impl is not None
    torch.compiler.reset()


def test_option_adds_the_hook_to_those_of_the_config() -> None:
    cfg = Config({'custom_hooks': [{'type': 'NumClassCheckHook'}]})
    set_compile(cfg)
    assert [hook['type'] for hook in cfg.custom_hooks] == [
        'NumClassCheckHook',
        'vitdense.CompileBackboneHook',
    ]
