"""tools/benchmark.py accuracy on models: real processes, one killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import ROOT, environment
from small_runs import DETECTOR, SEGMENTER, left_by_training

from vitdense.datasets import shapes

pytestmark = pytest.mark.slow
IMAGES = 12


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    shapes.ensure_shapes(folder, {'train2017': 2, 'val2017': IMAGES})
    return folder


@pytest.fixture(scope='module')
def detector(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return left_by_training(
        tmp_path_factory.mktemp('runs') / 'detector',
        DETECTOR,
        data,
        {'model.test_cfg.rcnn.score_thr': 0.0},
    )


def command(*args: object) -> list[str]:
    tool = str(ROOT / 'tools/benchmark.py')
    more = ('--resamples', '100')
    return [sys.executable, tool, 'accuracy', *map(str, args), *more]


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


# beside others that kill, such as those of tools/infer.py
@pytest.mark.soak
def test_killed_while_predicting(detector: Path, tmp_path: Path) -> None:
    """It goes on where it was, with two processes, to the same figures."""
    kept = tmp_path / 'kept'
    killed = subprocess.Popen(
        command(detector, '--predictions', kept),
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    ended_s = time.monotonic() + 120
    while not any('\n' in p.read_text() for p in kept.glob('*/*.lines')):
        assert killed.poll() is None
        assert time.monotonic() < ended_s
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (parts,) = kept.glob('*.json.parts')
    (lines,) = parts.glob('*.lines')
    done = lines.read_text()
    assert 0 < done.count('\n') < IMAGES // 2

    file = tmp_path / 'all.json'
    shared = ('--launcher', 'pytorch', '--processes', 2)
    ended = run(detector, '--predictions', kept, *shared, '--json', file)
    assert (ended.returncode, ended.stderr) == (0, '')
    (resumed,) = kept.glob('*.json')
    # what was there is still there: it was not predicted again
    first = json.loads(done.splitlines()[0].partition(' ')[2])
    assert json.loads(resumed.read_text())[: len(first)] == first

    # never killed, one process
    whole, figures = tmp_path / 'whole', tmp_path / 'whole.json'
    ended = run(detector, '--predictions', whole, '--json', figures)
    assert (ended.returncode, ended.stderr) == (0, '')
    (path,) = whole.glob('*.json')
    assert path.read_bytes() == resumed.read_bytes()
    content = json.loads(figures.read_text())
    assert json.loads(file.read_text())['models'] == content['models']
    assert content['checkpoints']['detector'][0]['sha256']


def test_label_maps_and_their_classes(tmp_path: Path, data: Path) -> None:
    """Labels begin at 1 in the files; the figure is counted here anew."""
    folder = left_by_training(
        tmp_path / 'segmenter', SEGMENTER, data, {'train_cfg.max_iters': 4}
    )
    file = tmp_path / 'all.json'
    ended = run(f'{folder}/config.py:{folder}/epoch_4.pth', '--json', file)
    assert (ended.returncode, ended.stderr) == (0, '')
    content = json.loads(file.read_text())
    names = ['ground', *shapes.CLASSES]
    assert content['figures'][3:] == [
        f'{figure}: {name}' for figure in ('IoU', 'Acc') for name in names
    ]
    predicted = sorted((folder / 'predictions').glob('*/*.png'))
    truth = sorted(data.glob('ade20k/annotations/validation/*.png'))
    assert [p.name for p in predicted] == [p.name for p in truth]
    said, true = (
        np.stack([cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in paths])
        for paths in (predicted, truth)
    )
    assert said.min() >= 1
    said = np.where(true == 0, 0, said)
    values = content['models'][0]['values'][3:]
    for number in range(1, len(names) + 1):
        union = ((said == number) | (true == number)).sum()
        both = ((said == number) & (true == number)).sum()
        assert values[number - 1] == pytest.approx(both / union)


def test_what_is_refused_before_anything_is_predicted(
    detector: Path, tmp_path: Path, data: Path
) -> None:
    checkpoint = detector / 'epoch_4.pth'
    other = tmp_path / 'other.py'
    other.write_text(
        f"_base_ = '{detector}/config.py'\n"
        "model = dict(backbone=dict(arch='v2-b1'),\n"
        '    neck=dict(in_channels=[64, 128, 320, 512]))\n'
    )
    few = tmp_path / 'few.json'
    few.write_text('{}')
    for runs, message in (
        (
            [detector, '--cfg-options', 'train_cfg.max_epochs=5'],
            f"error: detector ({detector}): '{detector}/epoch_4.pth' is of "
            'epoch 4, the config says train_cfg.max_epochs=5',
        ),
        (
            [f'A={other}:{checkpoint}', detector],
            f"error: A ({other}:{checkpoint}): '{checkpoint}' does not fit "
            'the model: 180 of another shape (',
        ),
        (
            [detector, '--annotations', few],
            f"error: --annotations '{few}' is not what detector is tested on",
        ),
    ):
        ended = run(*runs, '--predictions', tmp_path / 'kept')
        assert ended.returncode == 2
        assert ended.stderr.startswith(message), ended.stderr
        assert ended.stderr.count('\n') == 1
    assert not list((tmp_path / 'kept').glob('*.parts'))
