"""How mixed precision is chosen."""

import pytest
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import TestLoop

from vitdense.preflight.amp import set_amp, set_test_amp


def config(**wrapper: object) -> Config:
    kind = {'type': 'OptimWrapper', **wrapper}
    return Config({'optim_wrapper': kind})


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    def choose(device: str) -> None:
        monkeypatch.setattr(
            'vitdense.preflight.amp.get_device', lambda: device
        )

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


def test_types_may_be_classes(on) -> None:
    on('cpu')
    for kind in (OptimWrapper, AmpOptimWrapper):
        cfg = config(type=kind)
        set_amp(cfg, requested=True)
        assert cfg.optim_wrapper.type == 'vitdense.BFloat16OptimWrapper'


def test_of_testing(on, monkeypatch) -> None:
    on('cpu')
    cfg = Config({'test_cfg': {'type': TestLoop, 'fp16': True}})
    for _ in range(2):
        set_test_amp(cfg)
        assert cfg.test_cfg == {'type': 'vitdense.BFloat16TestLoop'}
    with pytest.raises(ValueError, match=r"'OwnLoop'.*'TestLoop'"):
        set_test_amp(Config({'test_cfg': {'type': 'OwnLoop'}}))
    for device in ('mps', 'cuda'):
        on(device)
        monkeypatch.setattr(
            'torch.cuda.is_bf16_supported', lambda including_emulation: False
        )
        with pytest.raises(ValueError, match=rf'{device}.*no bfloat16'):
            set_test_amp(Config({'test_cfg': {}}))
