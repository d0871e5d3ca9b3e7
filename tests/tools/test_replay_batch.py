"""A training that goes bad names the cause; a tool does it once more."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from small_runs import DETECTOR, SEGMENTER, small_shapes, where

__all__ = ['small_shapes']

ROOT = Path(__file__).resolve().parents[2]
POISONED = '000003.jpg'


@TRANSFORMS.register_module(force=True)
class PoisonThird(BaseTransform):
    """Puts a NaN into the third image, as a bad augmentation may.

    Args:
        prob: What the transform has that it takes the place of.
    """

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        if str(results['img_path']).endswith(POISONED):
            results['img'] = results['img'].astype(np.float32)
            results['img'][0, 0] = np.nan
        return results


def poisoned(tool: Callable, data: Path, config: Path, work: Path) -> str:
    """Train until it stops; gives the line."""
    settings = where(data, config, ('train', 'val', 'test'))
    settings['train_dataloader.dataset.pipeline.2.type'] = 'PoisonThird'
    outcome = tool(
        'train.py',
        *(config, '--work-dir', work, '--amp', '--cfg-options'),
        *(f'{key}={value}' for key, value in settings.items()),
    )
    assert outcome.code == 1, outcome.err[-3000:]
    (line,) = [t for t in outcome.err.splitlines() if t.startswith('error')]
    return str(line)


@pytest.mark.parametrize(
    ('config', 'loss'),
    [
        pytest.param(DETECTOR, 'loss_rpn_cls', marks=pytest.mark.slow),
        (SEGMENTER, 'loss_ce'),
    ],
)
def test_named_and_reproduced(
    tool: Callable,
    small_shapes: Path,
    tmp_path: Path,
    config: Path,
    loss: str,
) -> None:
    line = poisoned(tool, small_shapes, config, tmp_path / 'work')
    assert 'error: not finite at iteration' in line
    assert POISONED in line
    assert loss in line
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert 'NonFiniteError: not finite at iteration' in log.read_text()
    (file,) = (tmp_path / 'work').glob('non_finite_*.pth')
    assert f'tools/replay_batch.py {file}' in line
    done = subprocess.run(
        [sys.executable, 'tools/replay_batch.py', str(file)],
        cwd=ROOT,
        env={'PYTHONPATH': str(ROOT), 'PATH': ''},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'reproduced' in done.stdout.splitlines()[-1]
    assert f'/{POISONED}' in done.stdout
    table = [line.split() for line in done.stdout.splitlines()]
    losses = {row[1]: row[3] for row in table if 'loss' in str(row[1:2])}
    assert losses.pop('loss') == 'non-finite'
    assert any(loss in n and int(c) > 0 for n, c in losses.items()), losses


def test_finite_steps_are_not_reproduced(
    tool: Callable, small_shapes: Path, tmp_path: Path
) -> None:
    poisoned(tool, small_shapes, SEGMENTER, tmp_path / 'work')
    (file,) = (tmp_path / 'work').glob('non_finite_*.pth')
    content = torch.load(file, weights_only=False)
    for each in content['passes']:
        for image in each['batch']['inputs']:
            image.nan_to_num_()
    torch.save(content, tmp_path / 'healed.pth')
    outcome = tool('replay_batch.py', tmp_path / 'healed.pth')
    assert outcome.code == 1, outcome.err
    assert 'not reproduced: all is finite' in outcome.out


def test_other_files_are_refused(tool: Callable, tmp_path: Path) -> None:
    torch.save({'state_dict': {}}, tmp_path / 'model.pth')
    outcome = tool('replay_batch.py', tmp_path / 'model.pth')
    assert outcome.code == 2
    assert 'model.pth holds no step of training' in outcome.err
    outcome = tool('replay_batch.py', tmp_path / 'none.pth')
    assert outcome.code == 2
    assert 'none.pth does not exist' in outcome.err
