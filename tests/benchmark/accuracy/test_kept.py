"""Predictions as they are kept, of processes that were killed too."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import run, torchrun

from vitdense.benchmark.accuracy.kept import DetectionParts, LabelMapParts


def test_detections_of_two_processes_and_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / 'a.json'
    first, second = DetectionParts(path), DetectionParts(path)
    first.folder.mkdir()
    second.write(2, [{'score': 0.1}, {'score': 0.2}])
    first.write(1, [])
    first.write(0, [{'score': 0.3}])
    left = next(first.folder.glob('*.lines'))
    with left.open('a') as file:
        file.write('3 [{"scor')
    resumed = DetectionParts(path)
    assert resumed.done() == {0, 1, 2}
    resumed.write(3, [{'score': 0.4}])
    assert DetectionParts(path).done() == {0, 1, 2, 3}
    with pytest.raises(RuntimeError, match=r'batches \[4, 5\] of 6'):
        resumed.finish(6)
    assert not path.exists()
    resumed.finish(4)
    scores = [each['score'] for each in json.loads(path.read_text())]
    assert scores == [0.3, 0.1, 0.2, 0.4]
    assert not resumed.folder.exists()


LATE = """
import sys, time
from pathlib import Path
from torch.distributed import get_rank, init_process_group
from vitdense.benchmark.accuracy.kept import DetectionParts
from vitdense.benchmark.accuracy.predict_loop import share_batches

init_process_group('gloo')
parts = DetectionParts(Path(sys.argv[1]))
parts.folder.mkdir(exist_ok=True)
if get_rank() == 1:
    time.sleep(2)
left, mine = share_batches(parts, 7)
for number in mine:
    parts.write(number, [{'score': get_rank()}])
"""


@pytest.mark.slow
def test_nothing_is_left_out_where_a_process_is_late(
    tmp_path: Path,
) -> None:
    script, path = tmp_path / 'late.py', tmp_path / 'a.json'
    script.write_text(LATE)
    first = DetectionParts(path)
    first.folder.mkdir()
    first.write(1, [{'score': 2}])
    done = run([*torchrun(2), str(script), str(path)])
    assert done.returncode == 0, done.stdout
    first.finish(7)
    scores = [each['score'] for each in json.loads(path.read_text())]
    assert scores == [0, 2, 1, 0, 1, 0, 1]


def test_no_detections(tmp_path: Path) -> None:
    parts = DetectionParts(tmp_path / 'a.json')
    parts.folder.mkdir()
    parts.write(0, [])
    parts.finish(1)
    assert json.loads(parts.path.read_text()) == []


def test_label_maps_in_folders(tmp_path: Path) -> None:
    names = [['a/1.png', 'b/2.png'], ['b/3.png']]
    parts = LabelMapParts(tmp_path / 'a', names)
    maps = [np.full((2, 3), number, np.uint8) for number in (7, 200)]
    parts.write(0, maps)
    assert parts.done() == {0}
    (parts.folder / 'b/2.png').unlink()
    assert parts.done() == set()
    parts.write(0, maps)
    with pytest.raises(RuntimeError, match=r'batches \[1\] of 2'):
        parts.finish(2)
    parts.write(1, maps[:1])
    parts.finish(2)
    read = cv2.imread(str(tmp_path / 'a/b/2.png'), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert (read == 200).all()
