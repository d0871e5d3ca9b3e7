"""Times the operators that stand in for mmcv's compiled ones, on the CPU.

Where a compiled mmcv is installed its operators are timed beside them.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from types import ModuleType
from unittest import mock

import torch
from torch import Tensor

from vitdense.ops import backend, extension

SEED = 0
Case = Callable[[ModuleType], object]


def random_boxes(count: int, width: int, height: int) -> Tensor:
    """(N, 4) boxes between pairs of points anywhere in a picture."""
    points = torch.rand(2, count, 2) * torch.tensor([width, height])
    return torch.cat([points.amin(0), points.amax(0)], 1)


def nms_case(count: int, iou: float) -> Case:
    boxes, scores = random_boxes(count, 1344, 800), torch.rand(count)
    return lambda ext: ext.nms(boxes, scores, iou_threshold=iou, offset=0)


def soft_nms_case(count: int) -> Case:
    boxes, scores = random_boxes(count, 1344, 800), torch.rand(count)
    options = dict(sigma=0.5, min_score=1e-3, method=1, offset=0)
    return lambda ext: ext.softnms(
        boxes, scores, torch.empty(count, 5), iou_threshold=0.3, **options
    )


def roi_align_case(
    shape: tuple[int, ...], count: int, stride: int, *, backward: bool
) -> Case:
    maps, unused = torch.randn(shape), torch.empty(0)
    images = torch.randint(shape[0], (count, 1))
    boxes = random_boxes(count, shape[3] * stride, shape[2] * stride)
    rois = torch.cat([images, boxes], 1)
    options = dict(
        aligned_height=7,
        aligned_width=7,
        spatial_scale=1 / stride,
        sampling_ratio=0,
        pool_mode=1,
        aligned=True,
    )

    def run(ext: ModuleType) -> None:
        out = torch.zeros(count, shape[1], 7, 7)
        ext.roi_align_forward(maps, rois, out, unused, unused, **options)
        if backward:
            grad = torch.zeros_like(maps)
            ext.roi_align_backward(out, rois, unused, unused, grad, **options)

    return run


def cases() -> dict[str, Case]:
    """What is timed; the large map is a detector's finest, 800 x 1344."""
    large, small = (2, 256, 200, 336), (8, 64, 32, 32)
    return {
        'NMS, 4000 boxes, IoU 0.7': nms_case(4000, 0.7),
        'soft NMS, 1000 boxes': soft_nms_case(1000),
        'RoIAlign, 512 on 2x256x200x336': roi_align_case(
            large, 512, 4, backward=False
        ),
        '  with its backward': roi_align_case(large, 512, 4, backward=True),
        'RoIAlign, 2048 on 8x64x32x32': roi_align_case(
            small, 2048, 4, backward=False
        ),
        '  with its backward ': roi_align_case(small, 2048, 4, backward=True),
    }


def measure(case: Case, ext: ModuleType, repeats: int) -> tuple[float, float]:
    """Milliseconds of the first call, and the median of those after it."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        case(ext)
        times.append(1e3 * (time.perf_counter() - start))
    return times[0], statistics.median(times[1:])


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number > 0')
    return int(text)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=positive, default=5)
    parser.add_argument(
        '--threads', type=positive, default=torch.get_num_threads()
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    mmcv = importlib.import_module('mmcv._ext')
    compiler = mmcv.get_compiler_version()
    numba = backend.load_kernels() is not None
    print(
        f'median of {args.repeats} calls, {args.threads} threads, torch '
        f'{torch.__version__}; mmcv: {compiler}'
    )
    print(f'{"":31}{"Numba (first call)":>21}{"PyTorch":>12}{"mmcv":>12}')
    for name, case in cases().items():
        fast = compiled = '-'
        if numba:
            first, later = measure(case, extension, args.repeats)
            fast = f'{later:.1f} ({first:.0f}) ms'
        with mock.patch.object(backend, 'load_kernels', return_value=None):
            plain = f'{measure(case, extension, args.repeats)[1]:.1f} ms'
        if compiler != 'not compiled':
            compiled = f'{measure(case, mmcv, args.repeats)[1]:.1f} ms'
        print(f'{name:31}{fast:>21}{plain:>12}{compiled:>12}')


if __name__ == '__main__':
    main()
