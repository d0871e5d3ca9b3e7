"""Every finding, in data that was broken on purpose; and what mends it."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_data import (
    BREAKS,
    HEIGHT,
    LABEL_BREAKS,
    WIDTH,
    adding,
    cut,
    make_coco,
    make_labels,
    open_coco,
    open_labels,
    repaint,
)
from interpreter import ROOT
from interpreter import check as check_import
from mmdet.datasets import CocoDataset
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from terminals import Terminal

from vitdense.datasets.audit.check import check
from vitdense.datasets.audit.copies import check_target, write_copies
from vitdense.datasets.audit.kinds import ERROR, KINDS
from vitdense.datasets.audit.masks import MaskError, read_mask
from vitdense.datasets.audit.parallel import spread
from vitdense.datasets.audit.sets import AnySet, CocoSet

# What a copy keeps, as nobody can tell.
STAYS = {'image-maybe-turned'}
BY_HAND = {kind for kind, each in KINDS.items() if not each.cure} - STAYS


def cases(breaks: dict[str, list[Any]]) -> list[Any]:
    """One way of each kind, and the others for those who wait."""
    return [
        pytest.param(
            *(kind, way),
            id=f'{kind}-{number}',
            marks=[pytest.mark.slow] * (number > 0),
        )
        for kind, ways in breaks.items()
        for number, way in enumerate(ways)
    ]


def kinds(sets: list[AnySet], pictures: bool = True) -> set[str]:
    """What is found."""
    checked = check(sets, processes=1, pictures=pictures)
    return {each.kind for one in checked for each in one.findings}


def digests(root: Path) -> dict[str, str]:
    """What all files of a folder hold."""
    return {
        str(path.relative_to(root)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in root.rglob('*')
        if path.is_file()
    }


def mended(sets: list[AnySet], root: Path, target: Path) -> list[AnySet]:
    """A cleaned copy; sees that the original stays as it is."""
    before = digests(root)
    check_target(target, sets)
    copies = write_copies(check(sets, processes=1), target, processes=1)
    assert digests(root) == before
    assert sorted(each.name for each in root.parent.iterdir()) == sorted(
        [root.name, target.name]
    )
    return copies


def test_every_kind_is_tried() -> None:
    tried = {*BREAKS, *LABEL_BREAKS, 'image-name-shared'}
    assert tried == set(KINDS)


@pytest.mark.parametrize(
    ('make', 'read'), [(make_coco, open_coco), (make_labels, open_labels)]
)
def test_nothing_is_found_in_whole_data(
    tmp_path: Path, make: Callable, read: Callable
) -> None:
    root = tmp_path / 'data'
    make(root)
    assert kinds(read(root)) == set()
    copies = mended(read(root), root, tmp_path / 'copy')
    before, after = digests(root), digests(tmp_path / 'copy')
    before.pop('train/4.jpg', None)  # listed nowhere
    assert before == after or make == make_coco
    assert before.keys() == after.keys()
    assert kinds(copies) == set()
    for one, other in zip(read(root), copies, strict=True):
        if isinstance(one, CocoSet):
            assert isinstance(other, CocoSet)
            assert one.content == other.content


@pytest.mark.parametrize(('kind', 'change'), cases(BREAKS))
def test_coco(tmp_path: Path, kind: str, change: Callable) -> None:
    root = tmp_path / 'data'
    make_coco(root, change)
    sets = open_coco(root)
    assert kinds(sets) == {kind}
    target = tmp_path / 'copy'
    if kind in BY_HAND:
        with pytest.raises(ValueError, match=r'people|decide'):
            write_copies(check(sets, processes=1), target, processes=1)
        assert not target.exists()
        return
    copies = mended(sets, root, target)
    assert kinds(copies) <= STAYS
    assert kinds(open_coco(target)) <= STAYS
    file = target / 'annotations/train.json'
    assert COCO(str(file)).anns
    loaded = CocoDataset(
        ann_file=str(file),
        data_prefix={'img': str(target / 'train')},
        metainfo={'classes': ('cup',)},
        serialize_data=False,
        pipeline=[
            {'type': 'LoadImageFromFile'},
            {
                'type': 'mmdet.LoadAnnotations',
                'with_bbox': True,
                'with_mask': True,
            },
        ],
    )
    assert len(loaded) >= 2
    for sample in (loaded[index] for index in range(len(loaded))):
        assert len(sample['gt_masks']) == len(sample['gt_bboxes']) > 0


@pytest.mark.parametrize(('kind', 'change'), cases(LABEL_BREAKS))
def test_labels(tmp_path: Path, kind: str, change: Callable) -> None:
    root = tmp_path / 'data'
    make_labels(root, change)
    sets = open_labels(root)
    assert kinds(sets) == {kind}
    copies = mended(sets, root, tmp_path / 'copy')
    assert kinds(copies) <= STAYS


@pytest.mark.parametrize('mode', ['I;16', 'P', 'L'])
def test_labels_are_kept_but_for_those_out_of_range(
    tmp_path: Path, mode: str
) -> None:
    root, target = tmp_path / 'data', tmp_path / 'copy'
    label = 300 if mode == 'I;16' else 200
    make_labels(
        root, lambda root: repaint(root / 'labels/train/1.png', mode, label)
    )
    assert 'label-out-of-range' in kinds(open_labels(root))
    mended(open_labels(root), root, target)
    with Image.open(target / 'labels/train/1.png') as image:
        assert image.mode == 'L'
        labels = np.asarray(image)
    with Image.open(root / 'labels/train/2.png') as image:
        same = np.asarray(image).copy()
    same[20, 30] = 255
    np.testing.assert_array_equal(labels, same)


def test_a_turned_picture_is_mended_to_the_pixel(tmp_path: Path) -> None:
    root, target = tmp_path / 'data', tmp_path / 'copy'
    make_coco(root, BREAKS['image-turned'][0])
    mended(open_coco(root), root, target)
    old, new = (each / 'train/1.jpg' for each in (root, target))
    assert len(old.read_bytes()) == len(new.read_bytes())
    with Image.open(old) as one, Image.open(new) as other:
        assert one.size == other.size == (WIDTH, HEIGHT)
        assert other.getexif()[0x0112] == 1
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_one_polygon_of_two_is_kept(tmp_path: Path) -> None:
    root = tmp_path / 'data'
    make_coco(root, BREAKS['mask-malformed'][0])
    train, _ = mended(open_coco(root), root, tmp_path / 'copy')
    assert isinstance(train, CocoSet)
    first = train.content['annotations'][0]
    assert first['id'] == 1
    assert len(first['segmentation']) == 1


def test_names_alone_are_a_warning(tmp_path: Path) -> None:
    """Where pictures are not read; read, they differ."""

    def same_name(root: Path, said: dict) -> None:
        (root / 'train/1.jpg').rename(root / 'train/11.jpg')
        said['images'][0]['file_name'] = '11.jpg'

    make_coco(tmp_path / 'data', same_name)
    sets = open_coco(tmp_path / 'data')
    assert kinds(sets) == set()
    assert kinds(sets, pictures=False) == {'image-name-shared'}
    assert KINDS['image-name-shared'].severity != ERROR


def test_boxes_alone(tmp_path: Path) -> None:
    """Files without masks, of the three ways there are."""
    empty = iter([[], None, 'none'] * 9)

    def without_masks(root: Path, said: dict) -> None:
        for each in said['annotations']:
            del each['segmentation']
            if (value := next(empty)) != 'none':
                each['segmentation'] = value

    root = tmp_path / 'data'
    make_coco(root, without_masks)
    assert kinds(open_coco(root)[:1]) == set()

    def large(root: Path, said: dict) -> None:
        without_masks(root, said)
        said['annotations'][0]['area'] = 900
        said['annotations'][1]['bbox'] = [0, 0, 0, 0]

    root = tmp_path / 'more/data'
    make_coco(root, large)
    sets = open_coco(root)[:1]
    assert kinds(sets) == {'area-wrong', 'box-empty'}
    (copy,) = mended(sets, root, tmp_path / 'more/copy')
    assert isinstance(copy, CocoSet)
    assert len(copy.content['annotations']) == 6
    assert copy.content['annotations'][0]['area'] == 200


def test_processes_find_the_same(tmp_path: Path) -> None:
    def change(root: Path, said: dict) -> None:
        for kind in ('box-malformed', 'mask-empty', 'image-truncated'):
            BREAKS[kind][0](root, said)

    make_coco(tmp_path / 'data', change)
    sets = open_coco(tmp_path / 'data')
    one, two = (check(sets, processes=n) for n in (1, 2))
    assert [str(each.findings) for each in one] == [
        str(each.findings) for each in two
    ]
    assert one[0].looks == two[0].looks


@pytest.mark.parametrize('folder', ['train', 'train/copy', 'annotations'])
def test_a_folder_of_the_original_is_refused(
    tmp_path: Path, folder: str
) -> None:
    make_coco(tmp_path / 'data')
    (tmp_path / 'link').symlink_to(tmp_path / 'data')
    for root in ('data', 'link'):
        with pytest.raises(ValueError, match='in the original'):
            check_target(
                tmp_path / root / folder, open_coco(tmp_path / 'data')
            )


def test_two_names_of_one_id_are_left_to_people(tmp_path: Path) -> None:
    root = tmp_path / 'data'
    make_coco(root, adding('categories', 0, name='mug'))
    sets = open_coco(root)
    assert kinds(sets) == {'category-id-duplicate'}
    with pytest.raises(ValueError, match="'cup' and 'mug'; people"):
        mended(sets, root, tmp_path / 'copy')


def test_nothing_left_is_no_copy(tmp_path: Path) -> None:
    root = tmp_path / 'data'
    make_coco(root)
    for path in (root / 'train').iterdir():
        cut(path)
    with pytest.raises(ValueError, match='no image is left'):
        mended(open_coco(root), root, tmp_path / 'copy')
    assert not (tmp_path / 'copy').exists()


def test_compressed_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        size = tuple(rng.integers(1, 70, 2).tolist())
        pixels = rng.random(size) < rng.choice([0.01, 0.5, 0.99])
        pixels[0, 0] = True
        rle = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
        given = {'size': list(size), 'counts': rle['counts'].decode()}
        mask = read_mask(given, size)
        assert mask.area == pixels.sum()
        np.testing.assert_array_equal(coco_mask.decode(mask.rle), pixels)
        for end in range(1, len(given['counts']), 9):
            cut_off = {**given, 'counts': given['counts'][:end]}
            with pytest.raises(MaskError, match='counts'):
                read_mask(cut_off, size)


SQUARES = """
from vitdense.datasets.audit.parallel import spread
print(sum(spread(lambda n: n * n, range(100), 2, 'squaring')))
"""


def test_a_bar_is_shown_on_terminals_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('FORCE_COLOR', '1')
    found = list(spread(lambda n: n * n, range(100), 2, 'squaring'))
    assert found == [n * n for n in range(100)]
    assert capsys.readouterr().err == ''
    terminal = Terminal('-c', SQUARES)
    assert terminal.finish() == 0
    assert b'squaring' in terminal.raw
    assert terminal.lines[-1] == str(sum(found))


def test_the_page_tells_of_every_kind() -> None:
    page = ROOT / 'docs/checking-data.md'
    shown = re.findall(
        r'^\| `([a-z0-9-]+)` \| (.+) \| (.+) \| (.+) \|$',
        page.read_text(),
        re.MULTILINE,
    )
    assert shown == [
        (name, kind.severity, kind.meaning, kind.cure or 'people decide')
        for name, kind in KINDS.items()
    ]


@pytest.mark.slow
def test_label_maps_are_checked_without_mmdet() -> None:
    blocked = ('mmdet', 'pycocotools')
    check_import(
        f'import sys; sys.modules.update(dict.fromkeys({blocked}))\n'
        'import vitdense.datasets.audit.copies\n'
        'import vitdense.preflight.audit_config\n'
    )
