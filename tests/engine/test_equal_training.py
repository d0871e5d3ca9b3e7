"""Two processes with half the batch each do as one with the whole batch."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import ROOT, run, torchrun
from small_runs import DETECTOR, SEGMENTER, root, where
from torch import Tensor

__all__ = ['root']

STEPS = 20
BACKBONES = {
    'pvt': "dict(type='vitdense.PVT', arch='v2-b0', drop_path_rate=0.0)",
    't2t': """dict(
        type='vitdense.T2TViT',
        arch=dict(
            design='pyramid', dims=(32, 64, 160, 256), depths=(1, 1, 1, 1),
            heads=(1, 2, 5, 8), mlp_ratios=(3, 3, 3, 3),
            reductions=(8, 4, 2, 1)),
        drop_path_rate=0.0)""",
    'cvt': """dict(
        type='vitdense.CvT',
        arch=dict(dims=(32, 96, 192), depths=(1, 1, 2), heads=(1, 3, 6)),
        drop_path_rate=0.0, {how})""",
}
CHANNELS = {'cvt': [32, 96, 192]}
FORMS = {
    'pvt': BACKBONES['pvt'],
    't2t': BACKBONES['t2t'],
    'cvt-sync': BACKBONES['cvt'].format(how="norm_cfg=dict(type='SyncBN')"),
    'cvt-eval': BACKBONES['cvt'].format(how='norm_eval=True'),
}


def segmenter(folder: Path, form: str) -> Path:
    """A config: Semantic FPN, whose loss is a mean over the batch's pixels."""
    channels = CHANNELS.get(form.partition('-')[0], [32, 64, 160, 256])
    levels = len(channels)
    config = folder / f'{form}.py'
    config.write_text(f"""
_base_ = '{SEGMENTER}'
sync = dict(type='SyncBN')
model = dict(
    backbone=dict(_delete_=True, **{FORMS[form]}),
    neck=dict(in_channels={channels}, num_outs={levels}, norm_cfg=sync),
    decode_head=dict(
        norm_cfg=sync, dropout_ratio=0.0, in_channels={[64] * levels},
        in_index={list(range(levels))},
        feature_strides={[4, 8, 16, 32][:levels]}))
custom_imports = dict(imports=['vitdense', 'training_hooks'])
custom_hooks = [dict(type='StepLosses')]
# that of the published recipes
optim_wrapper = dict(optimizer=dict(lr=1e-4))
train_cfg = dict(max_iters={STEPS}, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval={STEPS}))
""")
    return config


def train(
    config: Path, root: Path, work_dir: Path, count: int, **settings: Any
) -> dict[str, Any]:
    """Train in one process or more; gives losses and weights."""
    options = where(root, config) | {
        'train_dataloader.batch_size': 4 // count,
        'val_dataloader.dataset.indices': 2,
        **settings,
    }
    command = [
        *(torchrun(count) if count > 1 else [sys.executable]),
        *(str(ROOT / 'tools/train.py'), str(config)),
        *('--work-dir', str(work_dir), '--cfg-options'),
        *(f'{key}={value}' for key, value in options.items()),
    ]
    done = run(command)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'Grad strides do not match' not in done.stdout
    last = work_dir / (work_dir / 'last_checkpoint').read_text()
    return {
        'losses': json.loads((work_dir / 'losses.json').read_text()),
        'weights': torch.load(last, weights_only=False)['state_dict'],
    }


def furthest(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference of two models' parameters."""
    return max(
        float((value - two[name]).abs().max())
        for name, value in one.items()
        if 'running_' not in name
    )


def statistics_apart(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference of two models' running statistics, in standard
    deviations: they add up what many parameters do."""
    worst = 0.0
    for name, variance in one.items():
        if not name.endswith('running_var'):
            continue
        mean = name.replace('_var', '_mean')
        moved = (one[mean] - two[mean]).abs() / variance.sqrt()
        widened = (variance / two[name]).sqrt() - 1
        worst = max(worst, float(moved.max()), float(widened.abs().max()))
    return worst


@pytest.mark.slow
@pytest.mark.parametrize('form', FORMS)
def test_losses_and_weights(root: Path, tmp_path: Path, form: str) -> None:
    config = segmenter(tmp_path, form)
    one, two = (
        train(config, root, tmp_path / str(count), count) for count in (1, 2)
    )
    assert len(one['losses']) == STEPS
    assert sum(one['losses'][-5:]) < sum(one['losses'][:5])
    assert two['losses'] == pytest.approx(one['losses'], abs=1e-4)
    assert furthest(one['weights'], two['weights']) < 1e-4
    assert statistics_apart(one['weights'], two['weights']) < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize('config', [DETECTOR, SEGMENTER])
def test_scores(root: Path, tmp_path: Path, config: Path) -> None:
    """An odd number of pictures: one is scored twice, and counted once."""
    fresh = tmp_path / 'fresh'
    options = where(root, config) | {
        'train_dataloader.dataset.indices': 8,
        'val_dataloader.dataset.indices': 2,
        'test_dataloader.dataset.indices': 9,
        'optim_wrapper.optimizer.lr': 1e-3,
    }
    length = 'max_epochs' if config == DETECTOR else 'max_iters'
    options[f'train_cfg.{length}'] = 4
    settings = [f'{key}={value}' for key, value in options.items()]
    tools = ROOT / 'tools'
    done = run(
        [
            *(sys.executable, str(tools / 'train.py'), str(config)),
            *('--work-dir', str(fresh), '--cfg-options', *settings),
        ]
    )
    assert done.returncode == 0, done.stdout[-3000:]
    last = fresh / (fresh / 'last_checkpoint').read_text()
    scores = []
    for count in (1, 2):
        work_dir = tmp_path / f'in {count}'
        done = run(
            [
                *(torchrun(count) if count > 1 else [sys.executable]),
                *(str(tools / 'test.py'), str(config), str(last)),
                *('--work-dir', str(work_dir), '--cfg-options', *settings),
            ]
        )
        assert done.returncode == 0, done.stdout[-3000:]
        (written,) = work_dir.glob('*/*.json')
        found = json.loads(written.read_text())
        scores.append({k: v for k, v in found.items() if 'time' not in k})
    assert len(scores[0]) > 2
    assert scores[0] == scores[1]
