"""COCO's scores by hotcoco, where it gives what pycocotools gives.

hotcoco (the extra ``fast``) is many times as fast. That its arrays are those
of pycocotools is not taken on trust: when results are first scored against a
truth, both score images spread evenly over it, and unless every bit agrees
pycocotools goes on alone.
"""

import io
from contextlib import redirect_stdout
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from mmengine.logging import print_log
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params

# images that both score, before one goes on
COMPARED = 500
ARRAYS = ('precision', 'recall', 'scores')
# what pycocotools reads of an object or a detection; of hotcoco's further
# keys one, ``ignore``, has a meaning that pycocotools does not give it
READ = (
    *('id', 'image_id', 'category_id', 'bbox', 'area'),
    *('iscrowd', 'score'),
)

Arrays = dict[str, npt.NDArray[np.float64]]


class CheckedCOCOeval(COCOeval):
    """pycocotools' scorer, which leaves the work to hotcoco if that is equal.

    ``eval`` and ``stats`` are pycocotools' either way; ``evalImgs`` stays
    empty where hotcoco scored. The log says once which one does, and why.
    """

    _arrays: Arrays | None = None

    def evaluate(self) -> None:
        """Match detections to objects."""
        self._arrays = None
        if not _is_fast(self):
            super().evaluate()
            return
        params = self.params
        print(f'Evaluate annotation type *{params.iouType}*')
        # as pycocotools leaves them
        params.imgIds = list(np.unique(params.imgIds))
        if params.useCats:
            params.catIds = list(np.unique(params.catIds))
        params.maxDets = sorted(params.maxDets)
        self._arrays = hotcoco_arrays(self.cocoGt, self.cocoDt, params)

    def accumulate(self, p: Params | None = None) -> None:
        """Set ``eval``: precisions, recalls and scores.

        Raises:
            ValueError: If hotcoco has matched, and parameters are given that
                may not be those of the matching.
        """
        if self._arrays is None:
            super().accumulate(p)
            return
        if p is not None and p is not self.params:
            raise ValueError(
                'accumulate: other parameters than those of evaluate() need '
                'pycocotools.cocoeval.COCOeval'
            )
        if not self.params.useCats:
            self.params.catIds = [-1]
        self.eval = {
            'params': self.params,
            'counts': list(self._arrays['precision'].shape),
            'date': f'{datetime.now():%Y-%m-%d %H:%M:%S}',
            **self._arrays,
        }


def hotcoco_arrays(truth: COCO, found: COCO, params: Params) -> Arrays:
    """Precisions, recalls and scores as ``COCOeval.accumulate`` has them.

    Raises:
        TypeError, ValueError: If hotcoco cannot read something, such as ids
            of images that are no integers.
    """
    import hotcoco

    scorer = hotcoco.COCOeval(
        hotcoco.COCO(_read(truth, params)),
        hotcoco.COCO(_read(found, params)),
        params.iouType,
    )
    scorer.params.img_ids = np.unique(params.imgIds).tolist()
    if params.useCats:
        scorer.params.cat_ids = np.unique(params.catIds).tolist()
    scorer.params.use_cats = bool(params.useCats)
    scorer.params.max_dets = sorted(params.maxDets)
    scorer.params.iou_thrs = list(params.iouThrs)
    scorer.params.rec_thrs = list(params.recThrs)
    scorer.params.area_rng = [
        list(map(float, each)) for each in params.areaRng
    ]
    scorer.params.area_rng_lbl = list(params.areaRngLbl)
    scorer.evaluate()
    scorer.accumulate()
    filled: Any = scorer.eval
    return {name: np.asarray(filled[name]) for name in ARRAYS}


def _read(coco: COCO, params: Params) -> dict[str, Any]:
    """What is scored of a data set, or of results.

    Without classes, equal scores come in the order of the classes.
    """
    keys = (*READ, 'segmentation') if params.iouType == 'segm' else READ
    images = set(params.imgIds)
    order = {each: number for number, each in enumerate(params.catIds)}
    scored = [
        {key: each[key] for key in keys if key in each}
        for each in coco.dataset['annotations']
        if each['image_id'] in images and each['category_id'] in order
    ]
    return {
        'images': [
            {key: each[key] for key in ('id', 'width', 'height')}
            for each in coco.dataset['images']
            if each['id'] in images
        ],
        'categories': [
            {key: each[key] for key in ('id', 'name')}
            for each in coco.dataset['categories']
        ],
        'annotations': sorted(
            scored, key=lambda each: order[each['category_id']]
        ),
    }


_chosen: 'WeakKeyDictionary[COCO, dict[str, bool]]' = WeakKeyDictionary()


def _is_fast(scorer: COCOeval) -> bool:
    """Whether hotcoco scores: settled once for a truth and parameters."""
    kind = scorer.params.iouType
    settings = repr(sorted(vars(scorer.params).items(), key=str))
    choices = _chosen.setdefault(scorer.cocoGt, {})
    if settings not in choices:
        against, reason = _compare(scorer)
        choices[settings] = not against
        name = 'pycocotools' if against else 'hotcoco'
        print_log(f'COCO scores ({kind}) by {name}: {reason}', 'current')
    return choices[settings]


def _compare(scorer: COCOeval) -> tuple[bool, str]:
    """Whether hotcoco must not score, and what is known of it."""
    if find_spec('hotcoco') is None:
        return True, 'hotcoco, the extra fast, is not installed'
    import hotcoco

    version = f'hotcoco {hotcoco.__version__}'
    if scorer.params.iouType not in ('bbox', 'segm'):
        return True, 'hotcoco is compared for boxes and masks alone'
    if any(each['id'] == 0 for each in scorer.cocoGt.anns.values()):
        reason = 'an object has the id 0, which to pycocotools is no object'
        return True, reason
    images = np.unique(scorer.params.imgIds)
    some = images[:: max(1, -(-len(images) // COMPARED))]
    slow = COCOeval(scorer.cocoGt, scorer.cocoDt, scorer.params.iouType)
    vars(slow.params).update(vars(scorer.params))
    slow.params.imgIds = some.tolist()
    on = f'on {len(some)} of {len(images)} images'
    try:
        fast = hotcoco_arrays(slow.cocoGt, slow.cocoDt, slow.params)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        return True, f'{version} cannot read the data ({error})'
    with redirect_stdout(io.StringIO()):
        slow.evaluate()
        slow.accumulate()
    for name in ARRAYS:
        if not np.array_equal(fast[name], slow.eval[name]):
            return True, f'{version} has another {name} {on}'
    return False, f'{version} equals pycocotools to the bit {on}'
