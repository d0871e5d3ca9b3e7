"""Every family trains on real pictures in bfloat16 and stays finite.

``SOAK_ITERATIONS=200`` makes the runs as long as is claimed; the slow suite
has time for a part.
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = int(os.environ.get('SOAK_ITERATIONS', '10'))
CONFIGS = (
    'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py',
    'cvt/retinanet_cvt-13_fpn_1x_coco.py',
    't2t/retinanet_t2t-7_fpn_1x_coco.py',
)


@pytest.mark.slow
@pytest.mark.parametrize('config', CONFIGS)
def test_bfloat16(
    shared: Path, command: Callable[..., str], tmp_path: Path, config: str
) -> None:
    options = {
        'model.backbone.init_cfg': None,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.data_root': shared / 'data' / 'coco_tiny',
        'train_dataloader.dataset.pipeline.2.scale': '(128,96)',
        'train_dataloader.sampler.type': 'InfiniteSampler',
        'train_cfg._delete_': True,
        'train_cfg.type': 'IterBasedTrainLoop',
        'train_cfg.max_iters': ITERATIONS,
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.interval': -1,
        'log_processor.by_epoch': False,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    command(
        ROOT / 'tools' / 'train.py',
        *(ROOT / 'configs' / config, '--work-dir', tmp_path, '--amp'),
        *('--cfg-options', *(f'{k}={v}' for k, v in options.items())),
    )
    (log,) = tmp_path.glob('*/vis_data/scalars.json')
    losses = [json.loads(t)['loss'] for t in log.read_text().splitlines()]
    assert len(losses) == ITERATIONS
    assert all(math.isfinite(loss) for loss in losses)
