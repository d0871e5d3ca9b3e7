"""Pretraining on ImageNet, as a user does it, on a small folder like it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from outlines import CLASSES, write_outlines
from small_runs import DETECTOR, where

from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools/train.py'
STAND_IN = ROOT / 'tests/without_torchvision.py'
PVT = ROOT / 'configs/pretrain/deit_pvt-v2-b0_8xb128-300e_in1k.py'
EPOCHS = 8
PLAIN = f"""
_base_ = {str(PVT)!r}
__pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=__pipeline))
val_dataloader = dict(dataset=dict(pipeline=__pipeline))
"""
Command = Callable[..., str]


def options(settings: Mapping[str, object]) -> list[str]:
    return ['--cfg-options', *(f'{k}={v}' for k, v in settings.items())]


def last_scores(work_dir: Path) -> dict[str, Any]:
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    scored: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return scored


def small_imagenet(root: Path) -> dict[str, object]:
    """Settings of a training on such a folder of few, small pictures: whole
    ones, which some hundred steps cannot overfit."""
    settings: dict[str, object] = {
        'train_dataloader.batch_size': 16,
        'model.train_cfg': None,
        'train_cfg.max_epochs': EPOCHS,
        'train_cfg.val_interval': EPOCHS,
        'param_scheduler.0.end': 1,
        'param_scheduler.1.begin': 1,
        'param_scheduler.1.end': EPOCHS,
        'param_scheduler.1.T_max': EPOCHS - 1,
        'default_hooks.checkpoint.interval': EPOCHS,
    }
    for split in ('train', 'val'):
        settings |= {
            f'{split}_dataloader.num_workers': 0,
            f'{split}_dataloader.persistent_workers': False,
            f'{split}_dataloader.dataset.data_root': root,
            f'{split}_dataloader.dataset.metainfo.classes': CLASSES,
        }
    return settings


@pytest.mark.soak
def test_a_detector_learns_sooner_from_it(
    command: Command, tmp_path: Path
) -> None:
    write_outlines(tmp_path / 'outlines', {'train': 60, 'val': 10})
    config = tmp_path / 'small.py'
    config.write_text(PLAIN)
    command(
        *(STAND_IN, TRAIN, config, '--fit-classes'),
        *('--work-dir', tmp_path / 'classifier'),
        *options(small_imagenet(tmp_path / 'outlines')),
    )
    top_1 = last_scores(tmp_path / 'classifier')['accuracy/top1']
    pictures = tmp_path / 'shapes'
    shapes.ensure_shapes(pictures, {'train2017': 200, 'val2017': 40})
    one = where(pictures) | {
        'train_dataloader.batch_size': 8,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'param_scheduler.0.end': 5,
        'param_scheduler.1.end': 1,
        'param_scheduler.1.T_max': 1,
    }
    begun = {
        'model.backbone.init_cfg.type': 'Pretrained',
        'model.backbone.init_cfg.checkpoint': tmp_path
        / f'classifier/epoch_{EPOCHS}.pth',
    }
    figures = []
    for name, more in (('begun', begun), ('scratch', {})):
        work_dir = tmp_path / name
        command(
            *(TRAIN, DETECTOR, '--work-dir', work_dir), *options(one | more)
        )
        figures.append(last_scores(work_dir)['coco/bbox_mAP_50'])
    print('top-1:', top_1, 'box AP50, begun from it and not:', *figures)
    assert top_1 > 50, top_1  # chance is 10
    assert figures[0] > figures[1] + 0.05, figures
