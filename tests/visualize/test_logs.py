"""Curves of trainings: what is read, drawn and refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from interpreter import ROOT

from vitdense.visualize.logs import (
    check_target,
    choose_keys,
    draw,
    read_runs,
)


def log(run: Path, start: str, steps: range, loss: float) -> None:
    """Write what mmengine writes: lines of training, then one of scores."""
    folder = run / start / 'vis_data'
    folder.mkdir(parents=True)
    lines: list[dict[str, float]] = [
        {'lr': 0.1, 'loss': loss, 'iter': step, 'step': step} for step in steps
    ]
    lines.append({'coco/bbox_mAP': loss / 10, 'step': 1})
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    log(tmp_path / 'a', '1', range(1, 5), 4.0)
    log(tmp_path / 'a', '2', range(3, 7), 2.0)  # resumed after step 2
    log(tmp_path / 'b', '1', range(1, 4), 3.0)
    return [tmp_path / 'a', tmp_path / 'b']


def test_resumed_runs_join_in_every_panel(runs):
    read = read_runs(runs)
    keys = choose_keys(read, None)
    assert keys == ['loss', 'lr', 'coco/bbox_mAP']
    panels = draw(read, keys).axes
    assert [panel.get_title() for panel in panels] == keys
    joined, other = panels[0].lines
    assert np.asarray(joined.get_xdata()).tolist() == [1, 2, 3, 4, 5, 6]
    assert np.asarray(joined.get_ydata()).tolist() == [4, 4, 2, 2, 2, 2]
    assert np.asarray(other.get_xdata()).tolist() == [1, 2, 3]
    assert [line.get_label() for line in panels[2].lines] == ['a', 'b']


def test_bad_input_is_named(runs, tmp_path):
    with pytest.raises(ValueError, match="no folder 'nowhere'"):
        read_runs([Path('nowhere')])
    with pytest.raises(ValueError, match='given twice'):
        read_runs([runs[0], runs[0]])
    with pytest.raises(ValueError, match='no logged values'):
        read_runs([tmp_path])
    with pytest.raises(ValueError, match="'x'; there are coco/bbox_mAP, lo"):
        choose_keys(read_runs(runs), ['x'])
    with pytest.raises(ValueError, match='has to end in one of'):
        check_target(tmp_path / 'a.txt', overwrite=False)
    with pytest.raises(ValueError, match='no folder'):
        check_target(tmp_path / 'c/a.png', overwrite=False)


def test_the_tool_writes_once_and_tells_in_one_line(runs, tmp_path):
    out = tmp_path / 'curves.svg'
    command = [sys.executable, 'tools/plot_logs.py', *runs, '--out', out]
    for code in (0, 2):
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
    assert '<svg' in out.read_text()
    assert done.stderr.count('\n') == 1
    assert '--overwrite' in done.stderr
