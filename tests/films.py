"""Videos of the shapes, made and read by OpenCV."""

from pathlib import Path

import cv2
import numpy as np


def film(path: Path, frames: list[np.ndarray], codec: str) -> Path:
    """A video of ten frames a second."""
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), code, 10, (width, height))
    for each in frames:
        writer.write(each)
    writer.release()
    return path


def read_film(path: Path) -> tuple[list[np.ndarray], float]:
    """Its frames, and how many are a second."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames, video.get(cv2.CAP_PROP_FPS)


def frames_of(folder: Path, count: int) -> list[np.ndarray]:
    """One picture, darker from frame to frame."""
    image = cv2.imread(str(next(folder.glob('coco/val2017/*'))))
    assert image is not None
    shades = np.linspace(1, 0.4, count)
    return [(image * shade).astype(np.uint8) for shade in shades]
