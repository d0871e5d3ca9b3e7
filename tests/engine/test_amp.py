"""Mixed precision."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from vitdense.engine.amp import set_amp


def config(**wrapper: object) -> Config:
    kind = {'type': 'OptimWrapper', **wrapper}
    return Config({'optim_wrapper': kind})


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    def choose(device: str) -> None:
        monkeypatch.setattr('vitdense.engine.amp.get_device', lambda: device)

    return choose


def test_not_asked_for() -> None:
    cfg = config()
    set_amp(cfg, requested=False)
    assert cfg.optim_wrapper.type == 'OptimWrapper'


def test_cuda(on) -> None:
    on('cuda')
    cfg = config()
    set_amp(cfg, requested=True)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'


@pytest.mark.parametrize('requested', [True, False])
def test_cpu_takes_over_what_a_config_asks(on, requested: bool) -> None:
    on('cpu')
    cfg = config(type='AmpOptimWrapper', loss_scale='dynamic')
    set_amp(cfg, requested)
    assert cfg.optim_wrapper.to_dict() == {
        'type': 'vitdense.BFloat16OptimWrapper'
    }


def test_refusals(on, monkeypatch: pytest.MonkeyPatch) -> None:
    on('cpu')
    with pytest.raises(ValueError, match=r"'float16'.*cpu.*\['bfloat16'\]"):
        set_amp(config(type='AmpOptimWrapper', dtype='float16'), False)
    with pytest.raises(ValueError, match='ApexOptimWrapper'):
        set_amp(config(type='ApexOptimWrapper'), requested=True)
    on('mps')
    with pytest.raises(ValueError, match='mps'):
        set_amp(config(), requested=True)
    on('cuda')
    monkeypatch.setattr('torch.cuda.is_bf16_supported', lambda: False)
    monkeypatch.setattr('torch.cuda.get_device_name', lambda: 'old one')
    with pytest.raises(ValueError, match=r"old one.*\['float16'\]"):
        set_amp(config(type='AmpOptimWrapper', dtype='bfloat16'), False)


def test_forward_runs_in_bfloat16() -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(
        {'type': 'vitdense.BFloat16OptimWrapper', 'optimizer': optimizer}
    )
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 4))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
