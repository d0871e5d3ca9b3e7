"""What is chosen from the data: image scale, length of training, batch."""

import os
from collections.abc import Sequence
from math import ceil, sqrt
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vitdense.projects.found import DETECTION, SEGMENTATION, Sample

CELL = 32  # pixels of the coarsest cell
LONGEST = {DETECTION: 1333, SEGMENTATION: 2048}
SHORT = {DETECTION: 800, SEGMENTATION: 512}
SMALLEST = 128
SMALL_OBJECT_PX = 32  # COCO calls what is smaller small
MOST_ENLARGED = 2
# Steps and epochs of a detector, iterations of a segmentor.
STEPS, EPOCHS = 4000, (12, 100)
PASSES, ITERATIONS = 100, (2000, 80000)
MOST_IN_BATCH = 16
# What heads, losses and intermediate results need beside what backbone and
# neck keep for the backward pass.
MEMORY_FACTOR = 1.5
MEMORY_USED = 0.8


class Scale(NamedTuple):
    """Sizes that pictures are brought to: within both sides, in pixels."""

    long: int
    short: int
    why: str


def choose_scale(samples: Sequence[Sample], task: str) -> Scale:
    """The scale of pictures: their own, within that of COCO or ADE20K.

    Args:
        samples: Those that are trained on.
        task: 'detection' or 'segmentation'.
    """
    short = median(min(each.size) for each in samples)
    long = median(max(each.size) for each in samples)
    sides = [side for each in samples for side in each.sides_px]
    why = f'pictures have {long:g} x {short:g} pixels (median)'
    grow = 1.0
    if sides:
        why += f', objects {median(sides):.0f}'
        wanted = SMALL_OBJECT_PX / max(1.0, median(sides))
        grow = min(MOST_ENLARGED, max(1.0, wanted))
    grow = min(grow, SHORT[task] / short, LONGEST[task] / long)
    grow = max(grow, SMALLEST / short)
    if task == SEGMENTATION:
        side = min(SHORT[task], ceil(short * grow / CELL) * CELL)
        return Scale(4 * side, side, f'{why}; crops are squares of {side}')
    if grow > 1:
        why += f'; enlarged {grow:.2g} x for what is small'
    elif grow < 1:
        why += '; made smaller, to the scale of COCO'
    else:
        why += '; they keep their size'
    return Scale(round(long * grow), round(short * grow), why)


def memory_here() -> int:
    """Bytes of the first GPU, or of this machine if it has none."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


class Batch(NamedTuple):
    """How many pictures make a step, and why."""

    size: int
    why: str


def choose_batch(
    model: Any, hw: tuple[int, int], pictures: int, task: str, memory: int
) -> Batch:
    """As many pictures as fit, a power of two, none more than 16.

    Args:
        model: The detector or segmentor; it is moved to the meta device.
        hw: Height and width of its input.
        pictures: How many are trained on.
        task: 'detection' or 'segmentation'.
        memory: Bytes that training may use.
    """
    fixed = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    each = MEMORY_FACTOR * kept_bytes(model, hw)
    # a head that pools a map to one cell cannot norm a batch of one
    least = 1 if task == DETECTION else 2
    size = MOST_IN_BATCH
    while size > least and (
        fixed + size * each > MEMORY_USED * memory or size * 8 > pictures
    ):
        size //= 2
    why = (
        f'{each / 1e9:.2f} GB for each picture and {fixed / 1e9:.2f} GB '
        f'beside, by estimate, of {memory / 1e9:.1f} GB'
    )
    if fixed + size * each > MEMORY_USED * memory:
        why += '; that may be too much: model.backbone.with_cp=True needs less'
    return Batch(size, why)


def kept_bytes(model: Any, hw: tuple[int, int]) -> int:
    """What backbone and neck keep of a picture for the backward pass.

    Counted on the meta device, where nothing is computed.

    Args:
        model: Moved to that device.
        hw: Height and width of the picture.
    """
    model = model.to('meta').train()
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    height, width = (ceil(side / CELL) * CELL for side in hw)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda held: held):
        # kept until all is counted: an address may be used again
        made = model.extract_feat(
            torch.empty(1, 3, height, width, device='meta')
        )
    weights = {_storage(each) for each in nn.Module.parameters(model)}
    total = sum(
        tensor.untyped_storage().nbytes()
        for key, tensor in kept.items()
        if key not in weights
    )
    del made
    return total


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class Schedule(NamedTuple):
    """How long is trained: epochs, or iterations of segmentation."""

    length: int
    warmup: int
    every: int
    why: str


def choose_schedule(
    pictures: int, batch: int, task: str, tuned: bool
) -> Schedule:
    """A length that suits the number of pictures.

    Args:
        pictures: How many are trained on.
        batch: How many make a step.
        task: 'detection' or 'segmentation'.
        tuned: Whether a trained model is the beginning: half is enough.
    """
    half = 2 if tuned else 1
    per_epoch = ceil(pictures / batch)
    if task == DETECTION:
        least, most = EPOCHS
        epochs = min(max(least, ceil(STEPS / per_epoch)), most) // half
        every = max(1, epochs // 12)
        why = f'{epochs} epochs of {per_epoch} steps'
        return Schedule(epochs, min(500, epochs * per_epoch // 10), every, why)
    least, most = ITERATIONS
    length = min(max(least, PASSES * per_epoch), most) // half
    passes = length * batch / pictures
    why = f'{length} steps, {passes:.0f} times over the data'
    return Schedule(length, min(500, length // 10), length // 10, why)


def choose_rate(rate: float, base_batch: int, batch: int) -> float:
    """A learning rate for another batch: by the root of their ratio, as
    PVT's authors did."""
    return float(f'{rate * sqrt(batch / base_batch):.2g}')
