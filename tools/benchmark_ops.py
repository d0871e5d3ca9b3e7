"""Times the operators that stand in for mmcv's compiled ones, on the CPU.

Where a compiled mmcv is installed its operators are timed beside them, if it
has them for the CPU.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple
from unittest import mock

import torch
from torch import Tensor

from vitdense.ops import backend, extension

SEED = 0
Run = Callable[[ModuleType], object]


class Case(NamedTuple):
    """What is timed, given ``mmcv._ext`` or what stands in for it."""

    run: Run
    numba: bool = False
    """Whether the stand-in has loops compiled by Numba."""
    mmcv: bool = True
    """Whether mmcv compiles the operator for the CPU."""


def random_boxes(count: int, width: int, height: int) -> Tensor:
    """(N, 4) boxes between pairs of points anywhere in a picture."""
    points = torch.rand(2, count, 2) * torch.tensor([width, height])
    return torch.cat([points.amin(0), points.amax(0)], 1)


def nms_case(count: int, iou: float) -> Run:
    boxes, scores = random_boxes(count, 1344, 800), torch.rand(count)
    return lambda ext: ext.nms(boxes, scores, iou_threshold=iou, offset=0)


def soft_nms_case(count: int) -> Run:
    boxes, scores = random_boxes(count, 1344, 800), torch.rand(count)
    options = dict(sigma=0.5, min_score=1e-3, method=1, offset=0)
    return lambda ext: ext.softnms(
        boxes, scores, torch.empty(count, 5), iou_threshold=0.3, **options
    )


def roi_align_case(
    shape: tuple[int, ...], count: int, stride: int, *, backward: bool
) -> Run:
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


def function_case(
    function: str,
    *given: object,
    backward: bool = False,
) -> Run:
    """A ``FILE.CLASS`` of ``mmcv.ops``, with another ``mmcv._ext``."""
    file, _, name = function.partition('.')
    module = importlib.import_module(f'mmcv.ops.{file}')

    def run(ext: ModuleType) -> None:
        with mock.patch.object(module, 'ext_module', ext):
            out = getattr(module, name).apply(*given)
            if backward:
                out.sum().backward()

    return run


def with_and_without_backward(
    name: str,
    function: str,
    *given: object,
    mmcv: bool,
) -> dict[str, Case]:
    """Two cases; floating-point tensors get a gradient but for the RoIs."""
    for tensor in given:
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            tensor.requires_grad_(tensor.shape[1:] != (5,))
    return {
        label: Case(
            function_case(function, *given, backward=backward), mmcv=mmcv
        )
        for label, backward in ((name, False), (f'{name}, backward', True))
    }


def sampling_cases() -> dict[str, Case]:
    """Operators without loops of Numba; 50 x 84 is 800 x 1344 at stride 16."""
    x, weight = torch.randn(2, 256, 50, 84), torch.randn(256, 256, 3, 3)
    offset, mask = torch.randn(2, 18, 50, 84), torch.rand(2, 9, 50, 84)
    boxes = random_boxes(512, 1344, 800)
    rois = torch.cat([torch.randint(2, (512, 1)), boxes], 1)
    kernels = torch.rand(2, 25, 100, 168)
    return {
        **with_and_without_backward(
            'DCN 256 to 256 on 50x84',
            'deform_conv.DeformConv2dFunction',
            *(x, offset, weight, 1, 1, 1, 1, 1, False, 2),
            mmcv=True,
        ),
        **with_and_without_backward(
            'DCNv2 256 to 256 on 50x84',
            'modulated_deform_conv.ModulatedDeformConv2dFunction',
            *(x, offset, mask, weight, None, 1, 1),
            mmcv=True,
        ),
        **with_and_without_backward(
            'CARAFE 256 on 50x84',
            'carafe.CARAFEFunction',
            *(x, kernels, 5, 1, 2),
            mmcv=False,
        ),
        **with_and_without_backward(
            'max RoIs, 512 on 50x84',
            'roi_pool.RoIPoolFunction',
            *(x, rois, 7, 1 / 16),
            mmcv=False,
        ),
        **with_and_without_backward(
            'moved RoIs, 512 on 50x84',
            'deform_roi_pool.DeformRoIPoolFunction',
            *(x, rois, torch.randn(512, 2, 7, 7), (7, 7), 1 / 16),
            mmcv=False,
        ),
        **with_and_without_backward(
            'PSA mask, 60x60',
            'psa_mask.PSAMaskFunction',
            *(torch.randn(1, 119 * 119, 60, 60), 0, (119, 119)),
            mmcv=True,
        ),
    }


def cases() -> dict[str, Case]:
    """What is timed; the large map is a detector's finest, 800 x 1344."""
    large, small = (2, 256, 200, 336), (8, 64, 32, 32)
    return {
        'NMS, 4000 boxes, IoU 0.7': Case(nms_case(4000, 0.7), numba=True),
        'soft NMS, 1000 boxes': Case(soft_nms_case(1000)),
        **{
            f'{name}{", backward" if backward else ""}': Case(
                roi_align_case(*how, backward=backward), numba=True
            )
            for name, how in (
                ('RoIAlign, 512 on 2x256x200x336', (large, 512, 4)),
                ('RoIAlign, 2048 on 8x64x32x32', (small, 2048, 4)),
            )
            for backward in (False, True)
        },
        **sampling_cases(),
    }


def measure(run: Run, ext: ModuleType, repeats: int) -> tuple[float, float]:
    """Milliseconds of the first call, and the median of those after it."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run(ext)
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
    print(f'{"":40}{"Numba (first call)":>21}{"PyTorch":>12}{"mmcv":>12}')
    for name, case in cases().items():
        fast = compiled = '-'
        if numba and case.numba:
            first, later = measure(case.run, extension, args.repeats)
            fast = f'{later:.1f} ({first:.0f}) ms'
        with mock.patch.object(backend, 'load_kernels', return_value=None):
            plain = f'{measure(case.run, extension, args.repeats)[1]:.1f} ms'
        if compiler != 'not compiled' and case.mmcv:
            compiled = f'{measure(case.run, mmcv, args.repeats)[1]:.1f} ms'
        print(f'{name:40}{fast:>21}{plain:>12}{compiled:>12}')


if __name__ == '__main__':
    main()
