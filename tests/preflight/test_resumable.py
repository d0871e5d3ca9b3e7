"""Any config trains so that it can be killed and goes on."""

import pytest
from mmengine.config import Config

from vitdense.preflight.options import TrainOptions
from vitdense.preflight.resumable import set_resumable


def settings(**train_cfg: object) -> Config:
    hook = {'type': 'CheckpointHook', 'interval': 2}
    return Config(
        {'train_cfg': train_cfg, 'default_hooks': {'checkpoint': hook}}
    )


def test_loops_and_hooks_are_replaced() -> None:
    cfg = settings(type='EpochBasedTrainLoop', max_epochs=2)
    set_resumable(cfg, TrainOptions(config='', save_every='10m'))
    assert cfg.train_cfg.type == 'vitdense.ResumableEpochLoop'
    assert cfg.default_hooks.checkpoint == {
        'type': 'vitdense.SafeCheckpointHook',
        'interval': 2,
        'save_every': '10m',
    }
    assert [h['type'] for h in cfg.custom_hooks] == ['vitdense.PreemptionHook']


def test_by_epoch() -> None:
    cfg = settings(by_epoch=False, max_iters=3)
    set_resumable(cfg, TrainOptions(config=''))
    assert cfg.train_cfg == {
        'type': 'vitdense.ResumableIterLoop',
        'max_iters': 3,
    }


def test_others_are_left() -> None:
    cfg = settings(type='MyLoop')
    cfg.default_hooks.checkpoint.type = 'MyHook'
    set_resumable(cfg, TrainOptions(config=''))
    assert cfg.train_cfg.type == 'MyLoop'
    assert cfg.custom_hooks == []
    with pytest.raises(ValueError, match=r"--save-every: .* is 'MyHook'"):
        set_resumable(cfg, TrainOptions(config='', save_every='1h'))


def test_bad_times_are_refused() -> None:
    cfg = settings(type='EpochBasedTrainLoop')
    with pytest.raises(ValueError, match="save_every='soon' is no length"):
        set_resumable(cfg, TrainOptions(config='', save_every='soon'))


def test_requeue_needs_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('SLURM_JOB_ID', raising=False)
    monkeypatch.delenv('SLURM_ARRAY_JOB_ID', raising=False)
    cfg = settings(type='EpochBasedTrainLoop')
    with pytest.raises(ValueError, match='--requeue: this is no job of Slurm'):
        set_resumable(cfg, TrainOptions(config='', requeue=True))


def test_no_checkpoints_no_saving_on_a_signal() -> None:
    """A config of ours that is told to keep no checkpoints still trains."""
    cfg = settings(type='EpochBasedTrainLoop')
    cfg.default_hooks.checkpoint = None
    cfg.custom_hooks = [{'type': 'vitdense.PreemptionHook'}, {'type': 'Mine'}]
    set_resumable(cfg, TrainOptions(config=''))
    assert [hook['type'] for hook in cfg.custom_hooks] == ['Mine']
    with pytest.raises(ValueError, match=r'--requeue: .* is None; choose'):
        set_resumable(cfg, TrainOptions(config='', requeue=True))


def test_a_loop_without_a_kind_is_left_to_mmengine() -> None:
    cfg = settings(max_epochs=1)
    set_resumable(cfg, TrainOptions(config=''))
    assert cfg.train_cfg == {'max_epochs': 1}
