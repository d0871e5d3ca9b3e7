"""What an entry of an annotation file has to have."""

import copy
import math
from typing import Any

import pytest

from vitdense.preflight.coco_entries import check_entries
from vitdense.preflight.coco_file import CocoReader, check_labels

SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]
WHOLE: dict[str, Any] = {
    'images': [{'id': 1, 'file_name': 'a.png', 'width': 6, 'height': 5}],
    'categories': [{'id': 3, 'name': 'cat'}, {'id': 7, 'name': 'dog'}],
    'annotations': [
        {
            'id': number,
            'image_id': 1,
            'category_id': 3,
            'bbox': [0, 0, 4, 4],
            'area': 16,
            'iscrowd': 0,
            'segmentation': [SQUARE],
        }
        for number in (10, 11)
    ],
}
ABSENT = object()


def changed(kind: str, field: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(WHOLE)
    entry = content[kind][0]
    if value is ABSENT:
        del entry[field]
    else:
        entry[field] = value
    return content


@pytest.mark.parametrize(
    ('kind', 'field', 'value', 'said'),
    [
        ('images', 'id', ABSENT, 'has no id'),
        ('images', 'file_name', None, 'file_name=None'),
        ('images', 'width', 6.5, 'width=6.5'),
        ('images', 'height', 0, 'height=0'),
        ('categories', 'name', 5, 'name=5'),
        ('categories', 'id', 'x', 'some ids are integers, others strings'),
        ('annotations', 'id', 11, 'id 11 is there twice'),
        ('annotations', 'id', None, 'id=None'),
        ('annotations', 'image_id', [], r'image_id=\[\]'),
        ('annotations', 'image_id', 2, 'image_id=2'),
        ('annotations', 'category_id', 90, r'category_id=90.* \[3, 7\]'),
        ('annotations', 'bbox', ABSENT, 'has no bbox; it needs four'),
        ('annotations', 'bbox', [0, 0, 4], r'bbox=\[0, 0, 4\]'),
        ('annotations', 'bbox', [0, 0, math.nan, 4], 'nan'),
        ('annotations', 'area', ABSENT, 'has no area'),
        ('annotations', 'area', math.inf, 'area=inf'),
        ('annotations', 'iscrowd', ABSENT, 'has no iscrowd'),
        ('annotations', 'iscrowd', '0', "iscrowd='0'"),
        ('annotations', 'segmentation', ABSENT, 'segmentation=None'),
        ('annotations', 'segmentation', [], r'segmentation=\[\]'),
        ('annotations', 'segmentation', [SQUARE[:5]], 'of 5 numbers'),
        ('annotations', 'segmentation', [SQUARE[:4]], 'of 4 numbers'),
        ('annotations', 'segmentation', [[math.nan] * 6], 'no list of num'),
        # drawn step by step, it would never end
        ('annotations', 'segmentation', [[0, 0, 1e12, 0, 9, 9]], 'no list'),
        ('annotations', 'segmentation', {'size': [6, 5]}, r'of size \[6, 5\]'),
        (
            *('annotations', 'segmentation'),
            {'size': [5, 6], 'counts': [1, 2]},
            'add up to 3 pixels, not 30',
        ),
        (
            *('annotations', 'segmentation'),
            {'size': [5, 6], 'counts': 'cat'},
            "counts 'cat' cannot be decoded",
        ),
    ],
)
def test_entries(kind: str, field: str, value: Any, said: str) -> None:
    content = changed(kind, field, value)
    with pytest.raises(ValueError, match=f"^key: 'a.json': {kind}") as caught:
        check_entries('key', 'a.json', content, masks=True, scored=True)
    assert pytest.raises(ValueError, match=said).matches(caught.value)


def test_what_training_does_without() -> None:
    """What mmdet ignores, or asks for only where predictions are scored."""
    check_entries('key', 'a.json', WHOLE, masks=True, scored=True)
    for content in (
        changed('annotations', 'iscrowd', ABSENT),
        changed('annotations', 'segmentation', [SQUARE[:5]]),
    ):
        check_entries('key', 'a.json', content, masks=True)
    without = changed('annotations', 'segmentation', ABSENT)
    check_entries('key', 'a.json', without, scored=True)


@pytest.mark.parametrize('classes', [('dog', 'cat'), ('cat', 'dog', 'cat')])
def test_classes_in_another_order(classes: tuple[str, ...]) -> None:
    """mmdet numbers them as the file does: names would be exchanged."""
    check_labels('key', 'a.json', WHOLE, ('cat', 'dog'))
    check_labels('key', 'a.json', WHOLE, ('dog',))
    with pytest.raises(ValueError, match='they need one order'):
        check_labels('key', 'a.json', WHOLE, classes)


@pytest.mark.parametrize('text', [b'[' * 100_000, b'\xff\xfe[\x00]\x00'])
def test_text_that_is_no_json_for_mmdet(tmp_path: Any, text: bytes) -> None:
    path = tmp_path / 'a.json'
    path.write_bytes(text)
    with pytest.raises(ValueError, match='is not JSON'):
        CocoReader().read('key', str(path))
