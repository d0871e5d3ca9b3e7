"""A Predictor finds what the libraries' own inference does."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from processes import ROOT, environment
from small_runs import (
    DETECTOR,
    SEGMENTER,
    left_by_training,
    small_shapes,
)

import vitdense
from vitdense.datasets.loading import BrokenImageError
from vitdense.datasets.shapes import CLASSES
from vitdense.predict.results import Detections, LabelMap

__all__ = ['small_shapes']
LOW = {'model.test_cfg.rcnn.score_thr': 0.0}


def files(folder: Path, config: Path, data: Path, **options: Any) -> Any:
    """Config and checkpoint of a model with random weights."""
    left = left_by_training(folder / 'run', config, data, options)
    return left / 'config.py', left / 'epoch_4.pth'


@pytest.fixture(scope='module')
def detector(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> Any:
    folder = tmp_path_factory.mktemp('detector')
    return files(folder, DETECTOR, small_shapes, **LOW)


@pytest.fixture(scope='module')
def segmenter(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> Any:
    folder = tmp_path_factory.mktemp('segmenter')
    return files(folder, SEGMENTER, small_shapes)


@pytest.fixture(scope='module')
def pictures(
    tmp_path_factory: pytest.TempPathFactory, small_shapes: Path
) -> list[Path]:
    """Two of the data set's, and one of another size."""
    found = sorted(small_shapes.glob('coco/val2017/*'))
    image = cv2.imread(str(found[0]))
    assert image is not None
    path = tmp_path_factory.mktemp('pictures') / 'wide.png'
    cv2.imwrite(str(path), cv2.resize(image, (200, 90)))
    return [*found, path]


def test_detections(detector: Any, pictures: list[Path]) -> None:
    from mmdet.apis import inference_detector, init_detector

    config, checkpoint = detector
    predict = vitdense.Predictor(config, checkpoint, device='cpu')
    assert predict.classes == CLASSES
    before = DefaultScope.get_current_instance()
    found = predict(pictures)
    assert DefaultScope.get_current_instance() is before
    model = init_detector(str(config), str(checkpoint), device='cpu')
    for path, ours in zip(pictures, found, strict=True):
        theirs = inference_detector(model, str(path)).pred_instances
        assert isinstance(ours, Detections)
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(ours.boxes, theirs.bboxes, atol=1e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
        assert (ours.labels == theirs.labels.numpy()).all()
        assert ours.masks is not None
        assert (ours.masks == theirs.masks.numpy()).all()
        image = cv2.imread(str(path))
        assert image is not None
        assert ours.masks.shape[1:] == image.shape[:2]
        assert ours.names == [CLASSES[label] for label in ours.labels]
        (again,) = predict(image)
        assert isinstance(again, Detections)
        assert (again.boxes == ours.boxes).all()
    middle = float(np.median(ours.scores))
    best = ours.at_least(middle)
    assert best.masks is not None
    assert len(best) == len(best.masks) == (ours.scores >= middle).sum()


def test_label_maps(segmenter: Any, pictures: list[Path]) -> None:
    from mmseg.apis import inference_model, init_model

    config, checkpoint = segmenter
    predict = vitdense.Predictor(config, checkpoint, device='cpu')
    model = init_model(str(config), str(checkpoint), device='cpu')
    for path, ours in zip(pictures, predict(pictures), strict=True):
        theirs = inference_model(model, str(path)).pred_sem_seg.data[0]
        assert isinstance(ours, LabelMap)
        assert (ours.labels == theirs.numpy()).all()
        assert sum(ours.shares.values()) == pytest.approx(1)
        assert set(ours.shares) <= set(predict.classes)
    together = vitdense.Predictor(
        config, checkpoint, device='cpu', batch_size=3
    )(pictures)
    for path, ours in zip(pictures, together, strict=True):
        (alone,) = predict(path)
        assert isinstance(ours, LabelMap)
        assert isinstance(alone, LabelMap)
        assert (ours.labels == alone.labels).mean() > 0.999


def test_batches_and_bfloat16(detector: Any, pictures: list[Path]) -> None:
    """As each picture alone, where all are of one size; read when due."""
    two = pictures[:2]
    alone = vitdense.Predictor(*detector, device='cpu')(two)
    together = vitdense.Predictor(*detector, device='cpu', batch_size=2)
    taken = []

    def given() -> Any:
        for path in [*two, *two]:
            taken.append(path)
            yield path

    results = together.predict(given())
    for number, one in enumerate(alone):
        other = next(results)
        assert len(taken) == 2
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        assert number < 2
    rough = vitdense.Predictor(*detector, device='cpu', amp=True)(two[0])[0]
    assert isinstance(rough, Detections)
    assert rough.scores.dtype == np.float32
    best = alone[0].scores[0]
    assert rough.scores[0] != best
    assert rough.scores[0] == pytest.approx(best, abs=0.05)


def test_tiles(detector: Any, segmenter: Any, pictures: list[Path]) -> None:
    """A picture no larger than a tile is as it was; others are larger."""
    for files_of in (detector, segmenter):
        whole = vitdense.Predictor(*files_of, device='cpu')
        tiled = vitdense.Predictor(
            *files_of, device='cpu', tile=128, overlap=0.5, batch_size=2
        )
        image = cv2.imread(str(pictures[0]))
        assert image is not None
        wide = np.concatenate([image, image[:, ::-1]], 1)
        (before,) = whole(image)
        (alone,) = tiled(image)
        (large,) = tiled(wide)
        for key, value in vars(before).items():
            if isinstance(value, np.ndarray):
                assert (getattr(alone, key) == value).all()
        if isinstance(large, LabelMap):
            assert large.labels.shape == wide.shape[:2]
        else:
            assert large.masks is not None
            assert large.masks.shape[1:] == wide.shape[:2]
            assert (np.diff(large.scores) <= 0).all()
            assert large.boxes[:, 2].max() > 128


def test_too_small(detector: Any, segmenter: Any, tmp_path: Path) -> None:
    """What shrinks to nothing, or has no cell of the coarsest level."""
    for files_of, size, words in (
        (detector, (1, 300), '1 x 300 pixels are too small: the test pipe'),
        (segmenter, (3, 300), 'the backbone gets 3 x 300, and needs at'),
    ):
        predict = vitdense.Predictor(*files_of, device='cpu')
        image = np.zeros((*size, 3), np.uint8)
        with pytest.raises(ValueError, match=f'picture 0: .*{words}'):
            predict(image)
        path = tmp_path / 'small.png'
        cv2.imwrite(str(path), image)
        with pytest.raises(BrokenImageError, match=f'small.png: .*{words}'):
            predict(path)


def test_bad_input(
    detector: Any, segmenter: Any, pictures: list[Path], tmp_path: Path
) -> None:
    config, checkpoint = detector
    for arguments, options, words in (
        ((tmp_path / 'x.py', checkpoint), {}, 'no config at'),
        ((config, tmp_path / 'x.pth'), {}, 'no checkpoint at'),
        ((config, segmenter[1]), {}, 'does not fit the model'),
        ((config, checkpoint), {'device': 'tpu'}, "device='tpu' cannot be"),
        ((config, checkpoint), {'batch_size': 0}, 'batch_size=0 is not'),
        ((config, checkpoint), {'tile': 9}, 'tile=9 is smaller than the 32'),
        ((config, checkpoint), {'tile': 99, 'overlap': 1.0}, 'overlap=1.0'),
        (
            (config, checkpoint),
            {'cfg_options': {'model.test_cfg.rcn.nms': 1}},
            'model.test_cfg.rcn',
        ),
    ):
        with pytest.raises((ValueError, OSError, KeyError), match=words):
            vitdense.Predictor(*arguments, **options)
    predict = vitdense.Predictor(config, checkpoint, device='cpu')
    cut = tmp_path / 'cut.jpg'
    whole = cv2.imencode('.jpg', np.zeros((90, 90, 3), np.uint8))[1].tobytes()
    cut.write_bytes(whole[:-20])
    with pytest.raises(BrokenImageError, match='cut off'):
        predict(cut)
    with pytest.raises(ValueError, match=r'picture 1 is uint8 of shape'):
        predict([pictures[0], np.zeros((9, 9), np.uint8)])


def test_lines_of_the_page(
    detector: Any,
    pictures: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As they stand, with a training's files and pictures in their places."""
    page = (ROOT / 'docs/predicting.md').read_text()
    (script,) = re.findall(r'```python\n(.*?)```', page, re.DOTALL)
    folder = tmp_path / 'work_dirs/NAME'
    folder.mkdir(parents=True)
    for source, name in zip(
        detector, ('config.py', 'epoch_12.pth'), strict=True
    ):
        (folder / name).symlink_to(source)
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).symlink_to(pictures[0])
    monkeypatch.chdir(tmp_path)
    exec(compile(script, 'predicting.md', 'exec'), {})
    first, second = capsys.readouterr().out.split('[[', 2)[:2]
    assert first.split("'")[1] in CLASSES
    assert len(second.splitlines()) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    'first',
    [
        'import vitdense',
        'from mmdet.apis import inference_detector; import vitdense',
        'from mmseg.apis import inference_model; import vitdense',
        'import torch, vitdense, mmseg.apis, mmdet.apis',
        'import mmdet.apis, mmseg.apis, vitdense, torch',
    ],
)
@pytest.mark.parametrize('task', ['detector', 'segmenter'])
def test_in_any_order_of_imports(
    request: pytest.FixtureRequest,
    pictures: list[Path],
    task: str,
    first: str,
) -> None:
    config, checkpoint = map(str, request.getfixturevalue(task))
    script = (
        f'{first}\n'
        f'predict = vitdense.Predictor({config!r}, {checkpoint!r})\n'
        f'for found in predict({[*map(str, pictures)]!r}):\n'
        '    print(type(found).__name__)\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    name = 'Detections' if task == 'detector' else 'LabelMap'
    assert done.returncode == 0, done.stderr
    # the libraries may have said before that operators are not compiled
    assert done.stdout.split()[-len(pictures) :] == [name] * len(pictures)
