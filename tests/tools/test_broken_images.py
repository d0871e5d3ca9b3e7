"""A cut image ends training by name, or is left out, counted and listed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_runs import SEGMENTER, small_shapes, where

__all__ = ['small_shapes']

CUT = '000004.jpg'


@pytest.fixture
def cut(small_shapes: Path, tmp_path: Path) -> Path:
    """The small data set with its last picture to train on cut off."""
    root = tmp_path / 'shapes'
    shutil.copytree(small_shapes, root)
    picture = root / 'ade20k/images/training' / CUT
    content = picture.read_bytes()
    picture.write_bytes(content[: len(content) // 2])
    return root


def train(
    tool: Callable, root: Path, work: Path, *args: str, **more: Any
) -> Any:
    settings = where(root, SEGMENTER)
    settings |= {'train_cfg.max_iters': 4, 'train_cfg.val_interval': 4}
    settings |= {f'train_dataloader.{key}': v for key, v in more.items()}
    return tool(
        'train.py',
        *(SEGMENTER, '--work-dir', work, *args, '--cfg-options'),
        *(f'{key}={value}' for key, value in settings.items()),
    )


@pytest.mark.parametrize('workers', [0, 2])
def test_one_line_names_it(
    tool: Callable, cut: Path, tmp_path: Path, workers: int
) -> None:
    outcome = train(tool, cut, tmp_path / 'work', num_workers=workers)
    assert outcome.code == 1
    lines = [t for t in outcome.err.splitlines() if 'error' in t.lower()]
    (line,) = lines
    picture = cut / 'ade20k/images/training' / CUT
    assert line.startswith(f'error: {picture}: a JPEG cut off after ')
    assert 'Traceback' not in outcome.err
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert 'BrokenImageError' in log.read_text()


@pytest.mark.parametrize(
    'workers', [pytest.param(0, marks=pytest.mark.slow), 2]
)
def test_left_out_counted_and_listed(
    tool: Callable, cut: Path, tmp_path: Path, workers: int
) -> None:
    work = tmp_path / 'work'
    outcome = train(
        tool,
        *(cut, work, '--skip-broken-images'),
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    assert outcome.code == 0, outcome.err[-3000:]
    listed = (work / 'broken_images.jsonl').read_text().splitlines()
    paths = {json.loads(line)['path'] for line in listed}
    picture = cut / 'ade20k/images/training' / CUT
    assert paths == {str(picture)}
    (log,) = work.glob('*/*.log')
    text = log.read_text()
    assert '1 broken images were left out:' in text
    assert f'{picture}: a JPEG cut off' in text
    assert f'({len(listed)} times)' in text.splitlines()[-1] + text


@pytest.mark.slow
def test_none_was_met(
    tool: Callable, small_shapes: Path, tmp_path: Path
) -> None:
    work = tmp_path / 'work'
    outcome = train(tool, small_shapes, work, '--skip-broken-images')
    assert outcome.code == 0, outcome.err[-3000:]
    (log,) = work.glob('*/*.log')
    assert 'no broken images were met' in log.read_text()
    assert not (work / 'broken_images.jsonl').exists()
