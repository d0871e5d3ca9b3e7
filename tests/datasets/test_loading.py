"""Images that are whole are loaded; others are refused by name."""

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from mmengine.registry import TRANSFORMS
from torch._utils import ExceptionWrapper

from vitdense.datasets.loading import (
    BrokenImageError,
    LoadImageFromFile,
    fault_of,
)


def picture(path: Path, *flags: int) -> bytes:
    """Write a noisy picture; gives the bytes of the file."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3))
    assert cv2.imwrite(str(path), pixels.astype(np.uint8), list(flags))
    return path.read_bytes()


def load(path: Path, **settings: Any) -> Any:
    return LoadImageFromFile(**settings)({'img_path': str(path)})


KINDS = {
    'baseline.jpg': (),
    'progressive.jpg': (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'restarts.jpg': (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'plain.png': (),
    'bitmap.bmp': (),
}


@pytest.mark.parametrize('name', KINDS)
def test_whole_images_are_those_of_mmcv(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    picture(path, *KINDS[name])
    config = {'type': 'mmcv.LoadImageFromFile', 'to_float32': True}
    plain = TRANSFORMS.build(config)({'img_path': str(path)})
    ours = load(path, to_float32=True)
    assert ours.keys() == plain.keys()
    np.testing.assert_array_equal(ours['img'], plain['img'])
    assert ours['img'].dtype == plain['img'].dtype
    assert ours['img_shape'] == plain['img_shape'] == (40, 60)


@pytest.mark.parametrize('name', [n for n in KINDS if n != 'bitmap.bmp'])
def test_cut_anywhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = picture(path, *KINDS[name])
    assert fault_of(content) == ''
    ends = range(8, len(content))
    assert [end for end in ends if not fault_of(content[:end])] == []
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(BrokenImageError, match=f'^{path}: '):
            load(path)


def test_a_thumbnail_in_the_header_does_not_end_a_jpeg(
    tmp_path: Path,
) -> None:
    content = picture(tmp_path / 'a.jpg')
    thumbnail = content
    header = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = content[:2] + header + content[2:]
    assert fault_of(whole) == ''
    assert 'cut off' in fault_of(whole[:-2])


def test_bytes_after_the_end_are_allowed(tmp_path: Path) -> None:
    for name in ('a.jpg', 'a.png'):
        path = tmp_path / name
        path.write_bytes(picture(path) + bytes(500))
        assert load(path)['img'].shape == (40, 60, 3)


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'the file is empty'),
        (b'<html>', 'not an image that can be decoded'),
        (None, 'no such file'),
    ],
)
def test_no_images(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BrokenImageError, match=f'^{path}: {text}'):
        load(path)
    assert load(path, ignore_empty=True) is None


def test_a_worker_s_error_is_one_line() -> None:
    """As PyTorch hands it to the main process."""
    try:
        raise BrokenImageError('a b.jpg: the file is empty')
    except BrokenImageError:
        wrapped = pickle.loads(pickle.dumps(ExceptionWrapper(where='there')))
    with pytest.raises(BrokenImageError) as raised:
        wrapped.reraise()
    assert str(raised.value) == 'a b.jpg: the file is empty'


class Pictures(BaseDataset):
    """Five pictures, of which two are broken."""

    def load_data_list(self) -> list[dict[str, Any]]:
        folder = Path(self.data_root)
        for number in range(5):
            content = picture(folder / f'{number}.png')
            if number in (1, 3):
                (folder / f'{number}.png').write_bytes(content[:-20])
        return [{'img_path': str(folder / f'{n}.png')} for n in range(5)]


def test_another_is_taken_by_numpy_s_state(tmp_path: Path) -> None:
    loading = {'type': 'vitdense.LoadImageFromFile', 'skip_broken': True}
    data = Pictures(data_root=str(tmp_path), pipeline=[loading])
    listed = tmp_path / 'list.jsonl'
    data.pipeline.transforms[0].broken_list = str(listed)
    taken = []
    for _ in range(2):
        np.random.seed(3)
        taken.append([data[index]['img_path'] for index in range(5)])
    assert taken[0] == taken[1]
    assert taken[0][::2] == [str(tmp_path / f'{n}.png') for n in (0, 2, 4)]
    assert not {str(tmp_path / f'{n}.png') for n in (1, 3)} & {*taken[0]}
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {line['path'] for line in lines} == {
        str(tmp_path / f'{n}.png') for n in (1, 3)
    }
    assert all('PNG cut off' in line['fault'] for line in lines)
