"""Looks at label maps: PNGs whose pixels are numbers of classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from vitdense.datasets.audit.kinds import Fault, Size
from vitdense.datasets.audit.pictures import decoded, read_bytes, wide

Labels = npt.NDArray[Any]

MAX_LABEL = 255  # mmseg keeps 8 bits
MAX_SHOWN = 5


class LabelRule(NamedTuple):
    """Which labels a map may have.

    Attributes:
        last: The largest; None where the classes are not known.
        ignore_index: The one that stands for no class.
        reduce_zero_label: Whether 0 stands for no class, and 1 for the first.
    """

    last: int | None
    ignore_index: int = 255
    reduce_zero_label: bool = False

    @classmethod
    def of_classes(
        cls, count: int | None, ignore_index: int, reduce_zero_label: bool
    ) -> 'LabelRule':
        """The rule for a number of classes in the files."""
        first = 1 if reduce_zero_label else 0
        last = None if count is None else count - 1 + first
        return cls(last, ignore_index, reduce_zero_label)

    @classmethod
    def of_dataset(cls, dataset: Any, count: int) -> 'LabelRule':
        """The rule of one of mmseg's data sets.

        Args:
            dataset: The data set.
            count: How many classes the config has.
        """
        # with classes of one's own, files have the labels of the old ones
        in_files = len(dataset.label_map) if dataset.label_map else count
        return cls.of_classes(
            in_files, dataset.ignore_index, dataset.reduce_zero_label
        )

    def outside(self, labels: Labels) -> npt.NDArray[np.bool_]:
        """Where labels are outside of the classes, or of 8 bits."""
        last = MAX_LABEL if self.last is None else self.last
        wrong = (labels < 0) | (labels > last)
        return wrong & (labels != self.ignore_index)

    def __str__(self) -> str:
        last = MAX_LABEL if self.last is None else self.last
        return (
            f'0..{last} and {self.ignore_index} '
            f'(reduce_zero_label={self.reduce_zero_label})'
        )


class LabelMap(NamedTuple):
    """A label map that was decoded.

    Attributes:
        labels: ``(H, W)``, or ``(H, W, channels)``.
        mode: Pillow's name of what a pixel is.
    """

    labels: Labels
    mode: str

    @property
    def size(self) -> Size:
        """Height and width."""
        height, width = self.labels.shape[:2]
        return height, width


def read_label_map(path: Path) -> LabelMap:
    """Decode a label map; of a palette, its indices.

    Raises:
        PixelError: If it cannot be used.
    """
    with decoded(read_bytes(path)) as image:
        return LabelMap(np.asarray(image), image.mode)


def faults_of_map(
    found: LabelMap, rule: LabelRule, sizes: Sequence[Size]
) -> Iterator[Fault]:
    """Kinds of findings, each with what is there.

    Args:
        found: The label map.
        rule: Which labels it may have.
        sizes: Heights and widths that it may have; none for any.
    """
    labels = found.labels
    if sizes and found.size not in sizes:
        what = f'{wide(found.size)}, the image is {wide(sizes[0])}'
        yield 'label-map-size-wrong', what
    if labels.ndim != 2:
        yield 'label-map-rgb', f'{labels.shape[-1]} channels'
        return
    if found.mode == 'P':
        yield 'label-map-palette', 'labels are indices of a palette'
    elif found.mode.startswith(('I', 'F')):
        yield 'label-map-16-bit', f'the largest label is {labels.max()}'
    wrong = labels[rule.outside(labels)]
    if wrong.size:
        shown = ', '.join(map(str, np.unique(wrong)[:MAX_SHOWN]))
        yield (
            'label-out-of-range',
            f'{wrong.size} pixels of label {shown}; choose from {rule}',
        )


def cleaned_map(found: LabelMap, rule: LabelRule) -> Image.Image | None:
    """A label map as 8 bits a pixel, what is out of range ignored.

    Returns:
        None if it is that already.
    """
    wrong = rule.outside(found.labels)
    if found.mode in ('L', '1') and not wrong.any():
        return None
    kept = np.where(wrong, rule.ignore_index, found.labels)
    return Image.fromarray(kept.astype(np.uint8))
