"""What a model in parts cannot be trained with is refused."""

import pytest
import torch
from mmengine.config import Config

from vitdense.preflight.sharding import check_sharding


def settings(**checkpoint: object) -> Config:
    hook = {'type': 'vitdense.SafeCheckpointHook', **checkpoint}
    return Config(
        {
            'model_wrapper_cfg': {'type': 'vitdense.FullyShard'},
            'default_hooks': {'checkpoint': hook},
        }
    )


def test_what_fits() -> None:
    check_sharding(settings())
    check_sharding(Config({}))


def test_an_old_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, '__version__', '2.6.0')
    with pytest.raises(ValueError, match=r'2.7 or newer; this is 2.6.0'):
        check_sharding(settings())


def test_another_checkpoint_hook() -> None:
    with pytest.raises(ValueError, match=r"checkpoint is 'CheckpointHook'"):
        check_sharding(settings(type='CheckpointHook'))


def test_a_remote_folder() -> None:
    with pytest.raises(ValueError, match=r"out_dir='s3://here'; choose"):
        check_sharding(settings(out_dir='s3://here'))


def test_evaluations_of_other_lengths() -> None:
    cfg = settings()
    cfg.val_dataloader = {'sampler': {'round_up': False}}
    with pytest.raises(ValueError, match=r'round_up=False; choose'):
        check_sharding(cfg)


def test_averaged_weights() -> None:
    cfg = settings()
    cfg.custom_hooks = [{'type': 'EMAHook'}]
    with pytest.raises(ValueError, match='EMAHook, which averages'):
        check_sharding(cfg)
    cfg.model_wrapper_cfg.type = 'MMDistributedDataParallel'
    check_sharding(cfg)
