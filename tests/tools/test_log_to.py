"""``--log-to``: what TensorBoard's own reader finds, and what is refused."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from resumed_runs import Training, kill_at_random
from small_runs import DETECTOR, SEGMENTER, root, small_shapes, where
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from vitdense.preflight.log_to import PACKAGES, drop_loggers, set_log_to

__all__ = ['root', 'small_shapes']

TIMES = ('time', 'data_time')


def shown(work_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a training: steps and values of each tag."""
    folder = work_dir / 'tensorboard'
    read = EventAccumulator(str(folder), {'scalars': 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in read.Scalars(tag)]
        for tag in read.Tags()['scalars']
    }


def logged(work_dir: Path) -> list[list[dict[str, Any]]]:
    """What each start of a training has written to its scalars.json."""
    return [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
    ]


def test_tensorboard_has_each_step_once(
    tool: Callable[..., Any], small_shapes: Path, tmp_path: Path
) -> None:
    """Losses, rates and scores of the log; the third step is done twice.

    A test of the config that the training has left, which names TensorBoard,
    writes nothing there.
    """
    arguments = [
        *(SEGMENTER, '--work-dir', tmp_path, '--log-to', 'tensorboard'),
        '--cfg-options',
        *(f'{k}={v}' for k, v in where(small_shapes, SEGMENTER).items()),
        *('train_cfg.max_iters=3', 'train_cfg.val_interval=2'),
        'default_hooks.checkpoint.interval=2',
        'default_hooks.checkpoint.max_keep_ckpts=2',
        'default_hooks.logger.interval=1',
    ]
    assert tool('train.py', *arguments).code == 0
    before = shown(tmp_path)
    again = ['--resume', tmp_path / 'iter_2.pth']
    assert tool('train.py', *arguments[:5], *again, *arguments[5:]).code == 0
    first, second = logged(tmp_path)

    trained = [line for line in first if 'iter' in line]
    trained[2:] = [line for line in second if 'iter' in line]
    scored = [line for line in first if 'mIoU' in line]
    # the second one is evaluated again: the checkpoint is older than that
    assert [line['step'] for line in second if 'mIoU' in line] == [2, 3]
    scored[1:] = [line for line in second if 'mIoU' in line][1:]
    assert [line['step'] for line in trained] == [1, 2, 3]
    assert [line['step'] for line in scored] == [2, 3]
    now = shown(tmp_path)
    assert now.keys() == before.keys()
    for lines in (trained, scored):
        for name in lines[0].keys() - {'step', 'iter'}:
            val = 'val/' * (lines is scored and name in TIMES)
            steps, values = zip(*now[val + name], strict=True)
            assert list(steps) == [line['step'] for line in lines], name
            expected = [line[name] for line in lines]
            assert values == pytest.approx(expected, rel=1e-6), name
    assert {'loss', 'lr', 'mIoU', 'val/time'} <= now.keys()

    written = sorted((tmp_path / 'tensorboard').iterdir())
    config = tmp_path / SEGMENTER.name
    assert 'ResumableTensorboardVisBackend' in config.read_text()
    ended = tool(
        *('test.py', config, tmp_path / 'iter_3.pth'),
        *('--work-dir', tmp_path / 'scores'),
    )
    assert ended.code == 0, ended.err
    assert sorted((tmp_path / 'tensorboard').iterdir()) == written
    assert not (tmp_path / 'scores/tensorboard').exists()


@pytest.mark.slow
def test_tensorboard_of_a_killed_training(root: Path, tmp_path: Path) -> None:
    """By epochs: scores stand at the steps that losses are counted in."""
    config = tmp_path / 'config.py'
    kind = 'vitdense.ResumableTensorboardVisBackend'
    config.write_text(f"""
_base_ = '{DETECTOR}'
visualizer = dict(vis_backends=[
    dict(type='LocalVisBackend'), dict(type='{kind}')])
""")
    training = Training(
        config,
        root,
        tmp_path / 'work',
        train_dataloader__dataset__indices=6,
        val_dataloader__dataset__indices=2,
        default_hooks__checkpoint__save_every='0.3s',
        train_cfg__max_epochs=2,
        train_cfg__val_interval=1,
    )
    kill_at_random([training], 2, random.Random(15))
    curves = shown(tmp_path / 'work')
    for name in ('loss', 'lr', 'loss_mask'):
        assert [step for step, _ in curves[name]] == list(range(1, 13)), name
    for name in ('coco/bbox_mAP', 'coco/segm_mAP', 'val/time'):
        assert [step for step, _ in curves[name]] == [6, 12], name


@pytest.mark.parametrize('name', ['tensorboard', 'wandb', 'mlflow'])
def test_a_missing_package_is_named(
    tool: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    work_dir = tmp_path / 'work'
    ended = tool(
        *('train.py', DETECTOR, '--work-dir', work_dir, '--log-to', name)
    )
    assert ended.code == 2
    assert ended.out == ''
    assert f': pip install {name} ' in ended.err
    assert ended.err.count('\n') == 1
    assert not work_dir.exists()


def test_backends_of_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay, once; those of other services are looked for too."""
    for package in ('wandb', 'mlflow'):
        monkeypatch.setitem(sys.modules, package, sys)
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'http://there')
    own = {'type': 'mmengine.WandbVisBackend', 'name': 'mine'}
    cfg = Config({'work_dir': 'a/run', 'visualizer': {'vis_backends': own}})
    set_log_to(cfg, ['mlflow', 'wandb', 'mlflow'])
    mlflow = {
        'type': 'MLflowVisBackend',
        'exp_name': 'run',
        'tracking_uri': 'http://there',
    }
    assert cfg.visualizer.vis_backends == [own, mlflow]
    drop_loggers(cfg)
    assert cfg.visualizer.vis_backends == []
    for kind in PACKAGES:
        monkeypatch.setitem(sys.modules, PACKAGES[kind], None)
        cfg.visualizer.vis_backends = [{'type': kind}]
        with pytest.raises(ModuleNotFoundError, match=kind):
            set_log_to(cfg, [])
