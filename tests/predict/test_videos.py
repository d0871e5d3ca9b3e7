"""Writing videos, where the disk has no room."""

import resource
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitdense.predict.videos import Video, write_video


def test_full_disk(tmp_path: Path) -> None:
    """One error, and nothing is left but the video that was there."""
    random = np.random.default_rng(0)
    pictures = [tmp_path / f'{number}.jpg' for number in range(4)]
    for path in pictures:
        noise = random.integers(0, 256, (200, 300, 3), np.uint8)
        cv2.imwrite(str(path), noise)
    video = tmp_path / 'out.mp4'
    write_video(video, pictures[:2], 10)
    assert (Video(video).told, Video(video).rate) == (2, 10)

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match=r'out.mp4 could not be written; is'):
            write_video(video, pictures, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert {each.name for each in tmp_path.iterdir()} == {
        *(each.name for each in pictures),
        'out.mp4',
    }
    assert Video(video).told == 2
