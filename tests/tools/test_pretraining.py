"""Pretraining a backbone on folders of pictures, and detecting with it."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from shape_folders import write_class_folders
from small_runs import QUICKSTART, where

from vitdense import CvT
from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools/train.py'
# users have torchvision, which mmpretrain imports
WITH_STAND_IN = ROOT / 'tests/without_torchvision.py'
RECIPE = ROOT / 'configs/pretrain/deit_pvt-v2-b0_8xb128-300e_in1k.py'
DETECTOR = QUICKSTART / 'mask-rcnn_cvt-mini_fpn_shapes.py'
EPOCHS = 12
DIMS = [16, 32, 64]
ARCH = {'dims': DIMS, 'depths': [1, 1, 1], 'heads': [1, 2, 4]}
# The recipe's augmentations are for hundreds of epochs.
SMALL = f"""
_base_ = {str(RECIPE)!r}
__load, __pack = dict(type='LoadImageFromFile'), dict(type='PackInputs')
model = dict(
    backbone=dict(
        _delete_=True,
        type='vitdense.CvT',
        arch={ARCH},
        drop_path_rate=0.0,
        out_indices=[2],
    ),
    neck=dict(
        _delete_=True,
        type='vitdense.NormedPooling',
        in_channels={DIMS[-1]},
    ),
    head=dict(in_channels={DIMS[-1]}),
    train_cfg=None,
)
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=[__load, dict(type='RandomFlip', prob=0.5), __pack]),
)
val_dataloader = dict(dataset=dict(pipeline=[__load, __pack]))
test_dataloader = dict(dataset=dict(pipeline=[__load, __pack]))
train_cfg = dict(max_epochs={EPOCHS}, val_interval={EPOCHS})
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=30),
    dict(
        type='CosineAnnealingLR',
        T_max={EPOCHS},
        end={EPOCHS},
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    optimizer=dict(lr=0.002), clip_grad=dict(max_norm=5.0)
)
randomness = dict(seed=0)
"""
Command = Callable[..., str]


def options(settings: Mapping[str, object]) -> list[str]:
    return ['--cfg-options', *(f'{k}={v}' for k, v in settings.items())]


def at(folder: Path) -> dict[str, object]:
    """Settings that put the data to a folder, read by this process."""
    return {
        f'{split}_dataloader.{key}': value
        for split in ('train', 'val', 'test')
        for key, value in {
            'dataset.data_root': folder,
            'num_workers': 0,
            'persistent_workers': False,
        }.items()
    }


def scores(work_dir: Path) -> dict[str, Any]:
    """What the last validation gave."""
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    scored: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return scored


@pytest.fixture(scope='module')
def pretrained(
    command: Command, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The work folder of a classifier that has learned ten classes."""
    folder = tmp_path_factory.mktemp('pretraining')
    write_class_folders(folder / 'data', {'train': 100, 'val': 20})
    config = folder / 'small.py'
    config.write_text(SMALL)
    work_dir = folder / 'classifier'
    command(
        *(WITH_STAND_IN, TRAIN, config, '--fit-classes'),
        *('--work-dir', work_dir, *options(at(folder / 'data'))),
    )
    return work_dir


@pytest.mark.slow
def test_it_learns(pretrained: Path) -> None:
    top_1 = scores(pretrained)['accuracy/top1']
    print('top-1:', top_1)
    assert top_1 > 50, top_1  # of ten classes


@pytest.mark.slow
def test_it_is_scored_and_drawn(
    pretrained: Path, command: Command, tmp_path: Path
) -> None:
    """By tools/test.py, from the config in the work folder."""
    command(
        *(WITH_STAND_IN, ROOT / 'tools/test.py', pretrained / 'small.py'),
        *(pretrained / f'epoch_{EPOCHS}.pth', '--work-dir', tmp_path),
        *('--out', tmp_path / 'found.pkl', '--show-dir', tmp_path / 'drawn'),
    )
    found = pickle.loads((tmp_path / 'found.pkl').read_bytes())
    right = [
        int(each['pred_label']) == int(each['gt_label']) for each in found
    ]
    top_1 = 100 * sum(right) / len(right)
    assert top_1 == pytest.approx(scores(pretrained)['accuracy/top1'])
    assert list((tmp_path / 'drawn').rglob('*.*'))


@pytest.mark.slow
def test_a_detectors_backbone_loads_it(pretrained: Path) -> None:
    checkpoint = pretrained / f'epoch_{EPOCHS}.pth'
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(checkpoint)}
    backbone = CvT(ARCH, init_cfg=init_cfg)
    backbone.init_weights()
    saved = torch.load(checkpoint, weights_only=False)['state_dict']
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, saved[f'backbone.{name}']), name


@pytest.mark.soak
def test_a_detector_learns_sooner_from_it(
    pretrained: Path, command: Command, tmp_path: Path
) -> None:
    pictures = tmp_path / 'shapes'
    shapes.ensure_shapes(pictures, {'train2017': 200, 'val2017': 40})
    scratch = where(pictures, DETECTOR) | {
        'model.backbone.arch.dims': DIMS,
        'model.backbone.arch.depths': ARCH['depths'],
        'model.backbone.arch.heads': ARCH['heads'],
        'model.neck.in_channels': DIMS,
        'train_dataloader.batch_size': 8,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'param_scheduler.0.end': 5,
        'param_scheduler.1.end': 1,
        'param_scheduler.1.T_max': 1,
    }
    begun = scratch | {
        'model.backbone.init_cfg.type': 'Pretrained',
        'model.backbone.init_cfg.checkpoint': pretrained
        / f'epoch_{EPOCHS}.pth',
    }
    figures = []
    for name, settings in (('begun', begun), ('scratch', scratch)):
        work_dir = tmp_path / name
        command(TRAIN, DETECTOR, '--work-dir', work_dir, *options(settings))
        figures.append(scores(work_dir)['coco/bbox_mAP_50'])
    print('box AP50, begun from it and from scratch:', *figures)
    assert figures[0] > figures[1] + 0.05, figures
