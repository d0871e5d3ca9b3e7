"""The CPU operators' inner loops, compiled by Numba.

Loop variables are unsigned because a check for negative indices keeps LLVM
from vectorising.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from vitdense.ops.compiled import compiled

Array = npt.NDArray[Any]


class PreparedRoIs(NamedTuple):
    """What the loops over N RoIs of P x Q bins on B maps need to know.

    Numba's files on disk hold this class by its name, and go by the line at
    which a function begins: whoever renames it must move the functions too,
    or files of the version before end in an AttributeError.
    """

    by_image: Array
    """(N,) indices of the RoIs, sorted by image."""
    bounds: Array
    """(B + 1,) where each image's RoIs begin in ``by_image``."""
    row_weights: Array
    """(N, P, H)"""
    row_spans: Array
    """(N, P, 2): the cells a bin reads, from and to."""
    column_weights: Array
    """(N, Q, W)"""
    column_spans: Array
    """(N, Q, 2)"""
    extent: Array
    """(N, 2): the columns a RoI reads."""


@compiled()
def greedy_nms(
    boxes: Array, threshold: np.float32, offset: np.float32
) -> Array:
    """(4, N) corners, best box first -> (N,) whether a box is kept."""
    x1, y1, x2, y2 = boxes[0], boxes[1], boxes[2], boxes[3]
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    dropped = np.zeros(x1.size, np.uint8)
    zero = np.float32(0)
    for i in range(x1.size):
        if dropped[i]:
            continue
        for j in range(np.uint64(i + 1), np.uint64(x1.size)):
            width = min(x2[i], x2[j]) - max(x1[i], x1[j]) + offset
            height = min(y2[i], y2[j]) - max(y1[i], y1[j]) + offset
            overlap = max(width, zero) * max(height, zero)
            iou = overlap / (area[i] + area[j] - overlap)
            dropped[j] |= iou > threshold
    return dropped == 0


# Sums may be reordered and fused: the weights are a product anyway.
_sums = compiled(fastmath={'contract', 'reassoc', 'nsz'})


@_sums
def average_forward(
    maps: Array, out: Array, rois: PreparedRoIs, first: int, step: int
) -> None:
    """Every ``step``-th channel plane of (B, C, H, W) into (N, C, P, Q).

    A plane stays in the cache while all RoIs of its image read it.
    """
    channels, height, width = maps.shape[1:]
    flat = maps.reshape(-1)
    row = np.empty(width, maps.dtype)
    for plane in range(first, maps.shape[0] * channels, step):
        image, channel = divmod(plane, channels)
        for n in rois.by_image[rois.bounds[image] : rois.bounds[image + 1]]:
            left = rois.extent[n, 0]
            wide = np.uint64(rois.extent[n, 1] - left)
            for p in range(out.shape[2]):
                for j in range(wide):
                    row[j] = 0
                for y in range(
                    rois.row_spans[n, p, 0], rois.row_spans[n, p, 1]
                ):
                    start = np.uint64((plane * height + y) * width + left)
                    weight = rois.row_weights[n, p, y]
                    for j in range(wide):
                        row[j] += weight * flat[start + j]
                for q in range(out.shape[3]):
                    total = maps.dtype.type(0)
                    low = np.uint64(rois.column_spans[n, q, 0])
                    high = np.uint64(rois.column_spans[n, q, 1])
                    for x in range(low, high):
                        total += (
                            rois.column_weights[n, q, x]
                            * row[x - np.uint64(left)]
                        )
                    out[n, channel, p, q] = total


@_sums
def average_backward(
    grad_maps: Array, grad: Array, rois: PreparedRoIs, first: int, step: int
) -> None:
    """Adds what ``average_forward`` read; a plane has only one writer."""
    channels, height, width = grad_maps.shape[1:]
    flat = grad_maps.reshape(-1)
    row = np.empty(width, grad_maps.dtype)
    for plane in range(first, grad_maps.shape[0] * channels, step):
        image, channel = divmod(plane, channels)
        for n in rois.by_image[rois.bounds[image] : rois.bounds[image + 1]]:
            left = rois.extent[n, 0]
            wide = np.uint64(rois.extent[n, 1] - left)
            for p in range(grad.shape[2]):
                for j in range(wide):
                    row[j] = 0
                for q in range(grad.shape[3]):
                    value = grad[n, channel, p, q]
                    low = np.uint64(rois.column_spans[n, q, 0])
                    high = np.uint64(rois.column_spans[n, q, 1])
                    for x in range(low, high):
                        row[x - np.uint64(left)] += (
                            value * rois.column_weights[n, q, x]
                        )
                for y in range(
                    rois.row_spans[n, p, 0], rois.row_spans[n, p, 1]
                ):
                    start = np.uint64((plane * height + y) * width + left)
                    weight = rois.row_weights[n, p, y]
                    for j in range(wide):
                        flat[start + j] += weight * row[j]


def in_threads(
    kernel: Callable[[Array, Array, PreparedRoIs, int, int], None],
    maps: Array,
    pooled: Array,
    rois: PreparedRoIs,
) -> None:
    """Runs a kernel over interleaved planes, in as many threads as torch."""
    threads = torch.get_num_threads()
    if threads == 1:
        kernel(maps, pooled, rois, 0, 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        tasks = [
            pool.submit(kernel, maps, pooled, rois, first, threads)
            for first in range(threads)
        ]
    for task in tasks:
        task.result()
