from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from small_runs import FEW

from vitdense.datasets import shapes


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for split, number in FEW.items():
        monkeypatch.setitem(shapes.IMAGES, split, number)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_the_same_pictures_every_time(tmp_path: Path) -> None:
    shapes.ensure_shapes(tmp_path / 'a')
    shapes.ensure_shapes(tmp_path / 'b')
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')
    assert len(contents(tmp_path / 'a')) == 3 * 6 + 2 + 1


def test_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes.ensure_shapes(tmp_path / 'shapes')
    monkeypatch.setattr(shapes, 'make_shapes', None)
    shapes.ensure_shapes(tmp_path / 'shapes')


def test_another_size_is_as_good(tmp_path: Path) -> None:
    shapes.ensure_shapes(tmp_path, {'train2017': 1, 'val2017': 1})
    made = contents(tmp_path)
    shapes.ensure_shapes(tmp_path)
    assert contents(tmp_path) == made
    assert len(made) == 3 * 2 + 2 + 1


def test_processes_may_ask_at_once(tmp_path: Path) -> None:
    root = tmp_path / 'shapes'
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(shapes.ensure_shapes, [root] * 4))
    assert [p.name for p in tmp_path.iterdir()] == ['shapes']
    shapes.ensure_shapes(tmp_path / 'alone')
    assert contents(root) == contents(tmp_path / 'alone')


def test_a_broken_run_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_disk(*_: object) -> None:
        raise OSError('disk full')

    monkeypatch.setattr(shapes, '_write_image', no_disk)
    with pytest.raises(OSError, match='disk full'):
        shapes.ensure_shapes(tmp_path / 'data' / 'shapes')
    assert list((tmp_path / 'data').iterdir()) == []


def test_foreign_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(ValueError, match='is not the shapes data set'):
        shapes.ensure_shapes(tmp_path)
    assert contents(tmp_path) == {'mine.txt': b'mine'}


def test_an_older_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.ensure_shapes(tmp_path / 'shapes')
    monkeypatch.setitem(shapes.SPEC, 'seed', 1)
    with pytest.raises(ValueError, match='remove it'):
        shapes.ensure_shapes(tmp_path / 'shapes')


def test_masks_are_the_visible_pixels() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        image, instances = shapes.draw_picture(rng, 96)
        assert image.shape == (96, 96, 3)
        stack = np.stack([instance.mask for instance in instances])
        assert stack.sum(0).max() == 1
        assert stack.any((1, 2)).all()
        labels = shapes.label_map(instances)
        assert ((labels == 1) == ~stack.any(0)).all()
        for instance in instances:
            assert (labels[instance.mask] == instance.label + 2).all()


def test_both_layouts_agree(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    shapes.make_shapes(tmp_path, FEW)
    coco = COCO(tmp_path / 'coco/annotations/instances_val2017.json')
    assert len(coco.imgs) == FEW['val2017']
    for image_id, image in coco.imgs.items():
        name = f'{image_id:06d}.png'
        labels = cv2.imread(
            str(tmp_path / 'ade20k/annotations/validation' / name),
            cv2.IMREAD_UNCHANGED,
        )
        merged = np.ones_like(labels)
        for ann in coco.imgToAnns[image_id]:
            mask = coco.annToMask(ann).astype(bool)
            merged[mask] = ann['category_id'] + 1
            x, y, w, h = ann['bbox']
            assert mask[y : y + h, x : x + w].sum() == mask.sum()
            assert mask.sum() == ann['area']
        assert (merged == labels).all()
        assert (image['height'], image['width']) == labels.shape


@pytest.mark.parametrize('fill', ['random', 'empty', 'full'])
def test_run_lengths_are_cocos(fill: str) -> None:
    mask = np.random.default_rng(0).random((5, 7)) < 0.5
    if fill != 'random':
        mask[:] = fill == 'full'
    counts = shapes.run_lengths(mask)
    decoded = rle.decode(rle.frPyObjects(counts, 5, 7))
    assert (decoded.astype(bool) == mask).all()
