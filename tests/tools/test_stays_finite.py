"""Every family trains on real pictures in half precision and stays finite.

``SOAK_ITERATIONS=200`` makes the runs on a CPU as long as is claimed; the
slow suite has time for a part.
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = int(os.environ.get('SOAK_ITERATIONS', '2'))
CONFIGS = (
    'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py',
    'cvt/retinanet_cvt-13_fpn_1x_coco.py',
    't2t/mask-rcnn_t2t-7_fpn_1x_coco.py',
    'vit',
)
# a small one; configs of plain ViTs for COCO crop at 1024 pixels
VIT = f"""
_base_ = '{ROOT}/configs/pvt/mask-rcnn_pvt-v2-b0_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        _delete_=True, type='vitdense.ViT', arch='tiny', out_indices=(11,)),
    neck=dict(
        _delete_=True, type='vitdense.SimpleFeaturePyramid',
        in_channels=[192], out_channels=256, num_outs=5))
"""


@pytest.fixture
def train(
    shared: Path, command: Callable[..., str], tmp_path: Path
) -> Callable[[str, int], list[float]]:
    """Train a config so many iterations with ``--amp``; gives the losses."""

    root = shared / 'data' / 'coco_tiny'

    def run(config: str, iterations: int) -> list[float]:
        options = {
            'model.backbone.init_cfg': None,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.data_root': root,
            'train_dataloader.dataset.pipeline.2.scale': '(128,96)',
            'train_dataloader.sampler.type': 'InfiniteSampler',
            'train_cfg._delete_': True,
            'train_cfg.type': 'IterBasedTrainLoop',
            'train_cfg.max_iters': iterations,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.interval': -1,
            'log_processor.by_epoch': False,
            'val_cfg': None,
            'val_dataloader': None,
            'val_evaluator': None,
        }
        file = ROOT / 'configs' / config
        if config == 'vit':
            file = tmp_path / 'vit.py'
            file.write_text(VIT)
        command(
            ROOT / 'tools' / 'train.py',
            *(file, '--work-dir', tmp_path, '--amp'),
            *('--cfg-options', *(f'{k}={v}' for k, v in options.items())),
        )
        (log,) = tmp_path.glob('*/vis_data/scalars.json')
        records = map(json.loads, log.read_text().splitlines())
        return [record['loss'] for record in records]

    return run


def check(losses: list[float], count: int) -> None:
    assert len(losses) == count
    assert all(math.isfinite(loss) for loss in losses)


# emulated, a step takes most of a minute: one family is of `make test-slow`
@pytest.mark.parametrize(
    'config',
    [
        pytest.param(CONFIGS[0], marks=pytest.mark.slow),
        *(pytest.param(each, marks=pytest.mark.soak) for each in CONFIGS[1:]),
    ],
)
def test_bfloat16(
    train: Callable[[str, int], list[float]], config: str
) -> None:
    check(train(config, ITERATIONS), ITERATIONS)


@pytest.mark.gpu
@pytest.mark.parametrize('config', CONFIGS)
def test_float16(
    train: Callable[[str, int], list[float]], config: str
) -> None:
    check(train(config, 200), 200)
