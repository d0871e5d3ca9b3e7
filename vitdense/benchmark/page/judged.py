"""What each detector gets right and wrong in an image."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitdense.benchmark.accuracy.average_precision import FloatArray, IntArray
from vitdense.benchmark.accuracy.errors import FOUND, HIT, MOST, judge
from vitdense.benchmark.accuracy.model_run import ModelRun

if TYPE_CHECKING:
    from pycocotools.coco import COCO

Detection = Mapping[str, Any]


class JudgedImage(NamedTuple):
    """Detections of one image, best score first.

    Attributes:
        detections: As COCO has them; those in crowds are left out.
        errors: ``(D,)``, a number among ``errors.TYPES``, or ``HIT``.
        found: ``(O,)``, which objects are found.
    """

    detections: Sequence[Detection]
    errors: IntArray
    found: npt.NDArray[np.bool_]


class Detector:
    """Detections of a run, from the score on that serves it best.

    Scores of two detectors are not on one scale. So each is shown from the
    score on that has the highest F1 of all its detections.

    Args:
        truth: What the images show.
        run: Of it.
        kind: What is compared, 'bbox' or 'segm'.
    """

    def __init__(self, truth: 'COCO', run: ModelRun, kind: str) -> None:
        self._truth, self._kind = truth, kind
        self._by_image: dict[Any, list[Detection]] = {}
        for each in json.loads(run.predictions.read_bytes()):
            if kind == 'segm' and 'mask_score' in each:
                each['score'] = each['mask_score']
            self._by_image.setdefault(each['image_id'], []).append(each)
        self.threshold = -np.inf
        self.threshold = self._best_threshold()

    def judge(self, image: Any) -> JudgedImage:
        """Judge what is found in an image of this id."""
        shown = self._truth.imgToAnns.get(image, [])
        objects = [each for each in shown if not each['iscrowd']]
        crowds = [each for each in shown if each['iscrowd']]
        found = sorted(
            self._by_image.get(image, []), key=lambda one: -one['score']
        )
        found = [e for e in found[:MOST] if e['score'] >= self.threshold]
        said, labels = _labels(found), _labels(objects)
        overlaps = self._overlaps(found, objects)
        errors = judge(overlaps, said, labels)[0]
        same = said[:, None] == _labels(crowds)
        inside = (self._overlaps(found, crowds) > FOUND) & same
        counts = (errors == HIT) | ~inside.any(1)
        hits = errors == HIT
        missed = judge(overlaps[hits], said[hits], labels)[2]
        return JudgedImage(
            [e for e, there in zip(found, counts, strict=True) if there],
            errors[counts],
            ~missed,
        )

    def _best_threshold(self) -> float:
        scores: list[float] = []
        hits: list[bool] = []
        objects = 0
        for image in self._truth.imgs:
            judged = self.judge(image)
            scores += [each['score'] for each in judged.detections]
            hits += (judged.errors == HIT).tolist()
            objects += len(judged.found)
        if not scores:
            return 0.0
        order = np.argsort(-np.array(scores), kind='stable')
        right = np.cumsum(np.array(hits)[order])
        f1 = 2 * right / (np.arange(1, len(right) + 1) + objects)
        return float(scores[order[int(f1.argmax())]])

    def _overlaps(
        self, found: Sequence[Detection], objects: Sequence[Detection]
    ) -> FloatArray:
        from pycocotools import mask

        if not found or not objects:
            return np.zeros((len(found), len(objects)))
        first, second = (
            [
                each['bbox']
                if self._kind == 'bbox'
                else self._truth.annToRLE(each)
                for each in several
            ]
            for several in (found, objects)
        )
        crowds = [int(each['iscrowd']) for each in objects]
        return np.asarray(mask.iou(first, second, crowds), float)


def disagreement(one: JudgedImage, other: JudgedImage) -> int:
    """Objects that only one finds, and by how many false ones they differ."""
    false = [int((each.errors != HIT).sum()) for each in (one, other)]
    return int((one.found != other.found).sum()) + abs(false[0] - false[1])


def read_truth(run: ModelRun) -> 'COCO':
    """What was read before, so that it can be."""
    from pycocotools.coco import COCO

    with redirect_stdout(io.StringIO()):
        return COCO(str(run.annotations))


def _labels(entries: Sequence[Detection]) -> IntArray:
    return np.array([each['category_id'] for each in entries], np.int64)
