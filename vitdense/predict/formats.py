"""Detections in the formats that other programs read."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vitdense.predict.results import Detections, Segments

Mask = npt.NDArray[np.bool_]


def to_coco(found: Detections, *, polygons: bool) -> list[dict[str, Any]]:
    """Objects as COCO's annotations, with scores; image and id are missing.

    Categories are numbered from 1 on, in the order of the classes.

    Args:
        found: In a picture.
        polygons: Whether masks are polygons, not run lengths.
    """
    entries = []
    for index, (left, top, right, bottom) in enumerate(found.boxes.tolist()):
        width, height = right - left, bottom - top
        entry = {
            'category_id': int(found.labels[index]) + 1,
            'bbox': [left, top, width, height],
            'area': width * height,
            'score': float(found.scores[index]),
            'iscrowd': 0,
        }
        if found.masks is not None:
            mask = found.masks[index]
            entry['area'] = float(mask.sum())
            if polygons:
                entry['segmentation'] = [
                    [float(value) for point in ring for value in point]
                    for ring in outlines(mask)
                ]
            else:
                entry['segmentation'] = _run_lengths(mask)
        entries.append(entry)
    return entries


def to_coco_panoptic(
    found: Segments,
) -> tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]:
    """Segments as COCO's panoptic format has them.

    Args:
        found: In a picture.

    Returns:
        ``(H, W, 3)``, blue first, whose pixels are ids of segments, red +
        256 green + 65536 blue, 0 of none; and ``segments_info``.
    """
    ids = found.ids
    pixels = np.stack([ids >> 16, ids >> 8 & 255, ids & 255], -1)
    segments = []
    for index, label in enumerate(found.labels.tolist()):
        left, top, width, height = cv2.boundingRect(
            (ids == index + 1).astype(np.uint8)
        )
        segments.append(
            {
                'id': index + 1,
                'category_id': label + 1,
                'area': int(found.areas[index]),
                'bbox': [left, top, width, height],
                'iscrowd': 0,
            }
        )
    return pixels.astype(np.uint8), segments


def to_yolo(found: Detections, height: int, width: int) -> str:
    """Lines of YOLO's text: class from 0 on, then in parts of the picture
    the outline's points where there are masks, else centre and size; at last
    the score.

    A mask in pieces has the outline of its largest.

    Args:
        found: In a picture.
        height: Of the picture, in pixels.
        width: Likewise.
    """
    size = np.asarray((width, height))
    lines = []
    for index, box in enumerate(found.boxes.astype(np.float64)):
        numbers = np.concatenate(
            [(box[:2] + box[2:]) / 2 / size, (box[2:] - box[:2]) / size]
        )
        if found.masks is not None:
            rings = outlines(found.masks[index])
            if not rings:
                continue  # an outline of nothing is no line of YOLO's
            largest = max(rings, key=cv2.contourArea)
            numbers = (largest / size).ravel()
        inside = numbers.clip(0, 1)
        values = ' '.join(f'{number:.6g}' for number in inside)
        score = found.scores[index]
        lines.append(f'{found.labels[index]} {values} {score:.6g}\n')
    return ''.join(lines)


def outlines(mask: Mask) -> list[npt.NDArray[np.int32]]:
    """The pieces of a mask, each as the points ``(N, 2)`` of its outline.

    Holes are filled, as polygons of COCO and YOLO have none.

    Args:
        mask: ``(H, W)``.
    """
    found, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    rings = [np.asarray(ring, np.int32).reshape(-1, 2) for ring in found]
    return [ring for ring in rings if len(ring) > 2]


def _run_lengths(mask: Mask) -> dict[str, Any]:
    from pycocotools.mask import encode

    coded = encode(np.asfortranarray(mask, np.uint8))
    return {
        'size': [int(side) for side in coded['size']],
        'counts': coded['counts'].decode(),
    }
