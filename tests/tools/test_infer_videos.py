"""tools/infer.py on videos, whole and broken."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from films import film, frames_of, read_film
from small_runs import segmenter, small_shapes

import vitdense
from vitdense.predict.results import LabelMap

__all__ = ['segmenter', 'small_shapes']


def test_video(
    tool: Callable, segmenter: Path, small_shapes: Path, tmp_path: Path
) -> None:
    """Frames are pictures, their drawings a video; one was done before."""
    folder, out = tmp_path / 'clips', tmp_path / 'out'
    folder.mkdir()
    walk = film(folder / 'walk.mp4', frames_of(small_shapes, 5), 'mp4v')
    cv2.imwrite(str(folder / 'a.png'), frames_of(small_shapes, 1)[0])
    args = ['--from', segmenter, folder, '--out', out, '--device', 'cpu']
    args += ['--batch-size', '2', '--every', '2']
    ended = tool('infer.py', *args)
    assert (ended.code, ended.err) == (0, '')

    assert (out / 'maps/a.png').is_file()
    predict = vitdense.Predictor(
        segmenter / 'config.py', segmenter / 'epoch_4.pth', device='cpu'
    )
    found = predict(read_film(walk)[0][::2])
    for number, expected in zip((0, 2, 4), found, strict=True):
        path = out / f'maps/walk/{number:06d}.png'
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert isinstance(expected, LabelMap)
        assert labels is not None
        assert (labels == expected.labels).mean() > 0.999
    drawn, rate = read_film(out / 'videos/walk.mp4')
    assert (len(drawn), rate) == (3, 5)
    for number, each in zip((0, 2, 4), drawn, strict=True):
        name = f'{number:06d}.jpg'
        picture = cv2.imread(str(out / 'pictures/walk' / name))
        assert picture is not None
        assert picture.shape == each.shape
        assert np.abs(picture.astype(int) - each).mean() < 12

    done, video = out / 'done.jsonl', out / 'videos/walk.mp4'
    first, second = (
        out / f'pictures/walk/{n}.jpg' for n in ('000000', '000004')
    )
    done.write_text(''.join(done.read_text().splitlines(keepends=True)[:-1]))
    ages = [each.stat().st_mtime_ns for each in (first, second, video)]
    for made_anew in ([False, True, True], [False, False, False]):
        assert tool('infer.py', *args).code == 0
        now = [each.stat().st_mtime_ns for each in (first, second, video)]
        assert [a != b for a, b in zip(ages, now, strict=True)] == made_anew
        ages = now


def test_broken_videos(
    tool: Callable, segmenter: Path, small_shapes: Path, tmp_path: Path
) -> None:
    """What can be read of them is done, and the others too."""
    folder, out = tmp_path / 'clips', tmp_path / 'out'
    folder.mkdir()
    film(folder / 'whole.mp4', frames_of(small_shapes, 2), 'mp4v')
    cut = film(folder / 'cut.avi', frames_of(small_shapes, 6), 'MJPG')
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    headless = film(
        folder / 'headless.mp4', frames_of(small_shapes, 4), 'mp4v'
    )
    headless.write_bytes(headless.read_bytes()[:-900])
    (folder / 'none.mov').write_text('no video')
    small = [np.zeros((2, 200, 3), np.uint8)] * 2
    film(folder / 'small.avi', small, 'MJPG')
    args = ['--from', segmenter, folder, '--out', out, '--device', 'cpu']
    ended = tool('infer.py', *args)
    assert ended.code == 1
    first, *others = ended.err.splitlines()
    told = r'cut off or damaged; (\d) of the 6 frames that it tells of could'
    found = re.fullmatch(
        f'error: left out: {re.escape(str(cut))}: {told} be read', first
    )
    assert found is not None
    assert [line.partition(f'{folder}/')[2] for line in others] == [
        'headless.mp4: no video, or cut off',
        'none.mov: no video, or cut off',
        'small.avi: 2 x 200 pixels are too small: the backbone gets 2 x 200, '
        'and needs at least 29 x 29',
    ]
    for name, count in (('cut', int(found[1])), ('whole', 2)):
        assert len(read_film(out / f'videos/{name}.mp4')[0]) == count
        assert len(list((out / 'maps' / name).iterdir())) == count
    assert not (out / 'videos/small.mp4').exists()
