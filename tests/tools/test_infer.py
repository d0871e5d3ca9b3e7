"""tools/infer.py, from pictures of all kinds to files that others read."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from films import film, frames_of
from processes import ROOT, environment, held
from pycocotools.coco import COCO
from small_runs import (
    DETECTOR,
    left_by_training,
    segmenter,
    small_shapes,
)

import vitdense
from vitdense.datasets.shapes import CLASSES
from vitdense.predict.results import Detections, LabelMap

__all__ = ['segmenter', 'small_shapes']
LOW = {'model.test_cfg.rcnn.score_thr': 0.0}


@pytest.fixture(scope='module')
def detector(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> Path:
    folder = tmp_path_factory.mktemp('runs') / 'detector'
    return left_by_training(folder, DETECTOR, small_shapes, LOW)


@pytest.fixture
def photos(tmp_path: Path, small_shapes: Path) -> Path:
    """Pictures of two folders, some of one name; one is cut off."""
    one, other = sorted(small_shapes.glob('coco/val2017/*'))
    folder = tmp_path / 'photos'
    (folder / 'more').mkdir(parents=True)
    for path in (folder / 'a.jpg', folder / 'more/a.jpg'):
        image = cv2.imread(str(one))
        assert image is not None
        cv2.imwrite(str(path), image)
    (folder / 'a.png').write_bytes(other.read_bytes())
    (folder / 'cut.jpg').write_bytes((folder / 'a.jpg').read_bytes()[:-9])
    (folder / 'notes.txt').write_text('no picture')
    return folder


def files_of(run: Path) -> tuple[Path, Path]:
    return run / 'config.py', run / 'epoch_4.pth'


def test_detections(
    tool: Callable, detector: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    args = [*files_of(detector), photos, '--out', out, '--score', '0.1']
    args += ['--polygons', '--device', 'cpu', '--write']
    args += ['pictures', 'coco', 'yolo']
    ended = tool('infer.py', *args)
    assert ended.code == 1
    assert ended.out == f'results: {out}\n'
    assert ended.err.startswith(f'error: left out: {photos}/cut.jpg: a JPEG')
    assert ended.err.count('\n') == 1
    names = ['a.jpg', 'a.png', 'more/a']
    for kind, suffix in (('pictures', '.jpg'), ('labels', '.txt')):
        written = sorted(p for p in (out / kind).rglob('*') if p.is_file())
        assert written == [out / kind / f'{name}{suffix}' for name in names]

    coco = COCO(str(out / 'predictions.json'))
    assert [each['name'] for each in coco.cats.values()] == list(CLASSES)
    paths = [photos / 'a.jpg', photos / 'a.png', photos / 'more/a.jpg']
    assert [each['file_name'] for each in coco.imgs.values()] == [
        str(path) for path in paths
    ]
    predict = vitdense.Predictor(*files_of(detector), device='cpu')
    for number, (path, found) in enumerate(
        zip(paths, predict(paths), strict=True), 1
    ):
        assert isinstance(found, Detections)
        found = found.at_least(0.1)
        entries = coco.imgToAnns[number]
        assert len(entries) == len(found) > 0
        image = cv2.imread(str(path))
        assert image is not None
        height, width = image.shape[:2]
        lines = (out / 'labels' / f'{names[number - 1]}.txt').read_text()
        assert found.masks is not None
        drawn = [
            (index, mask)
            for index, mask in enumerate(found.masks)
            if cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, 2)[0]
            and mask.sum() > 9
        ]
        for index, mask in drawn:
            entry = entries[index]
            left, top, right, bottom = found.boxes[index]
            np.testing.assert_allclose(
                entry['bbox'], [left, top, right - left, bottom - top], 1e-5
            )
            assert entry['category_id'] == found.labels[index] + 1
            assert entry['score'] == pytest.approx(found.scores[index])
            # polygons go through the middle of outer pixels, and fill holes
            again = coco.annToMask(entry).astype(bool)
            assert (again & mask).sum() > 0.5 * again.sum()
        for line in lines.splitlines():
            label, *points, score = line.split()
            assert int(label) < len(CLASSES)
            assert float(score) >= 0.1
            assert len(points) >= 6
            assert all(0 <= float(each) <= 1 for each in points)
        picture = cv2.imread(
            str(out / 'pictures' / f'{names[number - 1]}.jpg')
        )
        assert picture is not None
        times = picture.shape[0] // height
        assert picture.shape[:2] == (height * times, width * times)
        small = cv2.resize(picture, (width, height))
        assert np.abs(small.astype(int) - image).mean() > 1


def test_label_maps_of_a_work_folder(
    tool: Callable, segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    args = ['--from', segmenter, f'{photos}/*.png', '--out', out]
    ended = tool('infer.py', *args, '--device', 'cpu')
    assert (ended.code, ended.err) == (0, '')
    labels = cv2.imread(str(out / 'maps/a.png'), cv2.IMREAD_UNCHANGED)
    predict = vitdense.Predictor(*files_of(segmenter), device='cpu')
    (found,) = predict(photos / 'a.png')
    assert isinstance(found, LabelMap)
    assert labels is not None
    assert (labels == found.labels).all()
    names = (out / 'classes.txt').read_text().splitlines()
    assert tuple(names) == predict.classes
    assert (out / 'pictures/a.jpg').is_file()
    assert not (out / 'predictions.json').exists()


def test_what_is_too_small_is_left_out_and_the_rest_tiled(
    tool: Callable, segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / 'cut.jpg').unlink()
    cv2.imwrite(str(photos / 'b.png'), np.zeros((3, 300, 3), np.uint8))
    cv2.imwrite(str(photos / 'c.png'), np.zeros((150, 290, 3), np.uint8))
    out = tmp_path / 'out'
    args = [*files_of(segmenter), photos, '--out', out, '--device', 'cpu']
    ended = tool('infer.py', *args, '--tile', '128', '--batch-size', '3')
    assert ended.code == 1
    assert ended.err.count('\n') == 1
    assert f'left out: {photos}/b.png: 3 x 300 pixels are' in ended.err
    labels = cv2.imread(str(out / 'maps/c.png'), cv2.IMREAD_UNCHANGED)
    assert labels is not None
    assert labels.shape == (150, 290)
    assert (out / 'maps/more/a.png').is_file()
    ended = tool('infer.py', *args, '--tile', '96')
    assert ended.code == 2
    assert 'has results of another batch_size and tile' in ended.err


def test_goes_on_and_overwrites_nothing(
    tool: Callable, detector: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    args = [*files_of(detector), '--out', out, '--device', 'cpu']
    assert tool('infer.py', *args, photos / 'a.png').code == 0
    drawn = next((out / 'pictures').iterdir())
    before = drawn.stat().st_mtime_ns
    with (out / 'done.jsonl').open('a') as file:
        file.write('["more/a", "x')  # killed in the midst of a line
    assert tool('infer.py', *args, photos / 'a.png').code == 0
    assert drawn.stat().st_mtime_ns == before
    assert len((out / 'done.jsonl').read_text().splitlines()) == 1

    ended = tool('infer.py', *args, photos / 'a.png', '--score', '0.5')
    assert ended.code == 2
    assert 'has results of another score; --overwrite' in ended.err
    assert drawn.stat().st_mtime_ns == before
    (out / 'mine.txt').write_text('a note of the user')
    changed = (photos / 'a.png', '--score', '0.5', '--overwrite')
    assert tool('infer.py', *args, *changed).code == 0
    assert drawn.stat().st_mtime_ns != before
    assert (out / 'mine.txt').is_file()

    other = tmp_path / 'other'
    other.mkdir()
    (other / 'pictures').write_text('of the user')
    ended = tool(
        'infer.py', *args, photos / 'a.png', '--out', other, '--overwrite'
    )
    assert ended.code == 2
    assert 'holds what is none of these results' in ended.err
    assert (other / 'pictures').read_text() == 'of the user'


def test_pictures_are_added_and_none_takes_the_place_of_another(
    tool: Callable, detector: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    args = [*files_of(detector), '--out', out, '--device', 'cpu']

    def listed() -> list[str]:
        content = json.loads((out / 'predictions.json').read_text())
        return [Path(each['file_name']).name for each in content['images']]

    assert tool('infer.py', *args, photos / 'a.png').code == 0
    (photos / 'b.png').write_bytes((photos / 'a.png').read_bytes())
    assert tool('infer.py', *args, photos / 'b.png').code == 0
    assert listed() == ['a.png', 'b.png']
    drawn = (out / 'pictures/a.jpg').read_bytes()

    ended = tool('infer.py', *args, photos / 'a.jpg')
    assert ended.code == 2
    assert f"called 'a' of '{photos}/a.png', not of" in ended.err
    assert (out / 'pictures/a.jpg').read_bytes() == drawn
    assert listed() == ['a.png', 'b.png']
    assert tool('infer.py', *args, photos / 'a.jpg', '--overwrite').code == 0
    assert (out / 'pictures/a.jpg').read_bytes() != drawn
    assert listed() == ['a.jpg', 'b.png']

    with held(out):
        ended = tool('infer.py', *args, photos / 'b.png', '--score', '0.5')
    assert ended.code == 2
    assert f'{str(out)!r} is in use by process' in ended.err
    assert listed() == ['a.jpg', 'b.png']


def test_bad_input(
    tool: Callable,
    detector: Path,
    segmenter: Path,
    photos: Path,
    tmp_path: Path,
) -> None:
    config, checkpoint = files_of(detector)
    picture, out = photos / 'a.png', tmp_path / 'out'
    content = torch.load(checkpoint, weights_only=True)
    content['meta']['dataset_meta'] = {'classes': ('cat', 'dog')}
    other = tmp_path / 'other.pth'
    torch.save(content, other)
    for args, words in (
        ([config, other, picture], f'{other} has 2 classes'),
        ([config, checkpoint], 'name CONFIG, CHECKPOINT and an INPUT'),
        ([config, checkpoint, tmp_path / 'x'], 'there is no'),
        ([config, checkpoint, photos / '*.txt'], 'has no pictures'),
        ([config, segmenter / 'epoch_4.pth', picture], 'does not fit'),
        ([config, checkpoint, picture, '--write', 'maps'], 'choose from'),
        ([config, checkpoint, picture, '--score', '7'], '--score 7.0'),
        ([config, checkpoint, picture, '--batch-size', '0'], 'batch_size=0'),
        (['--from', photos, picture], 'is no work folder'),
        ([config, checkpoint, picture, '--tile', '8'], 'tile=8 is smaller'),
        ([config, checkpoint, picture, '--every', '0'], 'every=0 is not'),
        (
            [config, checkpoint, picture, '--tile', '64', '--overlap', '1'],
            'overlap=1.0 is not from 0',
        ),
    ):
        ended = tool('infer.py', *args, '--out', out)
        assert ended.code == 2, args
        assert words in ended.err
        assert ended.err.count('\n') == 1
        assert not out.exists()


def test_where_nothing_can_be_written(
    tool: Callable, detector: Path, photos: Path, tmp_path: Path
) -> None:
    """A file is where the folder would be; the disk is full."""
    file = tmp_path / 'file'
    file.write_text('of the user')
    args = [*files_of(detector), photos / 'a.png', '--device', 'cpu']
    ended = tool('infer.py', *args, '--out', file / 'out')
    assert ended.code == 2
    assert ended.err.count('\n') == 1
    assert str(file) in ended.err
    assert file.read_text() == 'of the user'

    # a file system that takes nothing, not even of root
    ended = tool('infer.py', *args, '--out', '/proc/predictions')
    assert ended.code in {1, 2}
    assert ended.err.count('\n') == 1
    assert '/proc/predictions' in ended.err

    out = tmp_path / 'out'
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    args += ['--out', out, '--score', '0']
    try:
        # room for the settings, and none for a drawn picture
        resource.setrlimit(resource.RLIMIT_FSIZE, (14_000, limits[1]))
        ended = tool('infer.py', *args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert ended.code == 1, ended
    assert ended.err.count('\n') == 1
    assert 'File too large' in ended.err
    assert not list(out.glob('pictures/*.jpg'))
    assert tool('infer.py', *args).code == 0
    assert (out / 'pictures/a.jpg').is_file()


def test_commands_of_the_page(
    tool: Callable,
    detector: Path,
    photos: Path,
    small_shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / 'docs/predicting.md').read_text()
    (block,) = re.findall(r'```sh\n(.*?)```', page, re.DOTALL)
    (tmp_path / 'work_dirs').mkdir()
    (tmp_path / 'work_dirs/NAME').symlink_to(detector)
    (photos / 'cut.jpg').unlink()
    (photos / 'more').rename(tmp_path / 'more')
    film(tmp_path / 'walk.mp4', frames_of(small_shapes, 6), 'mp4v')
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        python, script, *args = shlex.split(line)
        assert (python, script) == ('python', 'tools/infer.py')
        ended = tool('infer.py', *args)
        assert (ended.code, ended.err) == (0, '')
    for folder, names in (
        ('predictions/pictures', ['a.jpg.jpg', 'a.png.jpg']),
        ('results/pictures/photos', ['a.jpg.jpg', 'a.png.jpg']),
        ('results/pictures/more', ['a.jpg']),
        ('results/labels/more', ['a.txt']),
        ('frames/pictures/walk', ['000000.jpg', '000005.jpg']),
    ):
        assert sorted(each.name for each in Path(folder).iterdir()) == names
    for folder, count in (('results', 3), ('frames', 2)):
        content = json.loads(Path(folder, 'predictions.json').read_text())
        assert len(content['images']) == count
    assert [each['file_name'] for each in content['images']] == [
        f'{tmp_path}/walk.mp4#0',
        f'{tmp_path}/walk.mp4#5',
    ]


@pytest.mark.slow
def test_killed(detector: Path, small_shapes: Path, tmp_path: Path) -> None:
    """What was done is not done again, and all is as of one run."""
    one, _ = sorted(small_shapes.glob('coco/val2017/*'))
    photos = tmp_path / 'photos'
    photos.mkdir()
    for number in range(12):
        (photos / f'{number:02d}.png').write_bytes(one.read_bytes())

    def start(out: Path) -> Any:
        tool = str(ROOT / 'tools/infer.py')
        args = [*files_of(detector), photos, '--out', out, '--score', '0']
        return subprocess.Popen(
            [sys.executable, tool, *map(str, args)], env=environment()
        )

    killed, done = start(tmp_path / 'out'), tmp_path / 'out/done.jsonl'
    while not (done.is_file() and '\n' in done.read_text()):
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    first = done.read_text().splitlines()[0]
    drawn = tmp_path / 'out/pictures/00.jpg'
    before = drawn.stat().st_mtime_ns
    for name in ('out', 'whole'):
        assert start(tmp_path / name).wait() == 0
    assert done.read_text().splitlines()[0] == first
    assert drawn.stat().st_mtime_ns == before
    resumed, whole = (
        json.loads((tmp_path / name / 'predictions.json').read_text())
        for name in ('out', 'whole')
    )
    assert resumed == whole
    assert len(whole['images']) == 12
