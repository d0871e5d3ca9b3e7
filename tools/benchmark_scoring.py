"""Times COCO's scores by pycocotools and by hotcoco, side by side.

On the set of tools/benchmark_resampling.py, as large as val2017.
"""

import argparse
import contextlib
import io
import time

import numpy as np
from benchmark_resampling import results_of, truth_of
from pycocotools.cocoeval import COCOeval

from vitdense.datasets.coco_scorer import ARRAYS, CheckedCOCOeval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--objects', type=int, default=36_000)
    parser.add_argument('--detections', type=int, default=500_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = truth_of(rng, args.images, args.objects)
    results = results_of(rng, truth, args.detections, blur=0.15)
    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(results)
    scorers = {}
    for name, kind in (
        ('pycocotools', COCOeval),
        ('hotcoco, with the comparison before it', CheckedCOCOeval),
        ('hotcoco, from the second time on', CheckedCOCOeval),
    ):
        scorers[name] = scorer = kind(truth, found, 'bbox')
        began_s, worked_s = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            scorer.evaluate()
            scorer.accumulate()
        print(
            f'{name}: {time.perf_counter() - began_s:.1f} s, '
            f'{time.process_time() - worked_s:.1f} s of processor time',
            flush=True,
        )
        if kind is CheckedCOCOeval and scorer.evalImgs:
            raise RuntimeError(f'hotcoco did not score: {said.getvalue()}')
    first, *others = scorers.values()
    equal = all(
        np.array_equal(first.eval[array], other.eval[array])
        for other in others
        for array in ARRAYS
    )
    print(f'equal to the bit: {equal}')


if __name__ == '__main__':
    main()
