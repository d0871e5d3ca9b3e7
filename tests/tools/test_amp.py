"""``tools/test.py --amp``: bfloat16 inside, float32 outside."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import (
    DETECTOR,
    SEGMENTER,
    left_by_training,
    small_shapes,
)

__all__ = ['small_shapes']


def scores(work_dir: Path) -> dict[str, float]:
    """What a test has written of its scores."""
    (file,) = work_dir.glob('*/*.json')
    found: dict[str, float] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize(
    'config', [pytest.param(DETECTOR, marks=pytest.mark.slow), SEGMENTER]
)
def test_what_it_writes(
    tool: Callable[..., Any], small_shapes: Path, tmp_path: Path, config: Path
) -> None:
    detector = config == DETECTOR
    low = {'model.test_cfg.rcnn.score_thr': 0.0} if detector else {}
    trained = left_by_training(tmp_path / 'trained', config, small_shapes, low)
    kept: list[Any] = []
    for amp in ([], ['--amp']):
        work_dir = tmp_path / f'work{len(amp)}'
        out = tmp_path / ('found.pkl' if detector else 'found')
        ended = tool(
            *('test.py', trained / 'config.py', trained / 'epoch_4.pth'),
            *('--work-dir', work_dir, '--out', out, *amp),
        )
        assert ended.code == 0, ended.err
        log = next(work_dir.glob('*/*.log')).read_text()
        assert ('BFloat16TestLoop' in log) == bool(amp)
        found = scores(work_dir)
        assert {'coco/segm_mAP' if detector else 'mIoU'} <= found.keys()
        if detector:
            kept.append(pickle.loads(out.read_bytes()))
        else:
            assert len(list(out.glob('*.png'))) == 2
    for whole, rough in zip(*kept, strict=True) if detector else ():
        a, b = (each['pred_instances'] for each in (whole, rough))
        for key in ('scores', 'bboxes'):
            assert a[key].dtype == b[key].dtype == torch.float32
        best = min(len(a['scores']), len(b['scores']), 5)
        assert best > 0
        first, second = (each['scores'][:best].numpy() for each in (a, b))
        assert not np.array_equal(first, second)  # it was bfloat16
        # weights are random, and so near to each other
        np.testing.assert_allclose(first, second, atol=0.1)
