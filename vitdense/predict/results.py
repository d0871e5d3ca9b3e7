"""What a trained model finds in a picture, in NumPy and names."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Detections:
    """Objects in a picture, best first.

    Attributes:
        boxes: ``(N, 4)`` float32: left, top, right and bottom in pixels of
            the picture as it was given.
        scores: ``(N,)`` float32, from 0 to 1; NaN of what was labelled, not
            found.
        labels: ``(N,)`` int64, places in ``classes``.
        masks: ``(N, H, W)`` bool, of the picture's size; None of a model
            without masks.
        classes: Names of all classes of the model.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_] | None
    classes: tuple[str, ...]

    @cached_property
    def names(self) -> list[str]:
        """The class of each object."""
        return [self.classes[label] for label in self.labels.tolist()]

    def __len__(self) -> int:
        return len(self.scores)

    def at_least(self, score: float) -> 'Detections':
        """Those of at least that score.

        Args:
            score: From 0 to 1.
        """
        kept = self.scores >= score
        return Detections(
            self.boxes[kept],
            self.scores[kept],
            self.labels[kept],
            None if self.masks is None else self.masks[kept],
            self.classes,
        )


@dataclass(frozen=True)
class LabelMap:
    """The class of every pixel of a picture.

    Attributes:
        labels: ``(H, W)`` int64, places in ``classes``.
        classes: Names of all classes of the model.
    """

    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    @cached_property
    def shares(self) -> dict[str, float]:
        """How much of the picture is of each class that is in it, from 0 to
        1, most first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        order = sorted(np.flatnonzero(counts), key=lambda i: -counts[i])
        parts = counts / counts.sum()
        return {self.classes[i]: float(parts[i]) for i in order}


@dataclass(frozen=True)
class Segments:
    """Things and stuff that share the pixels of a picture.

    Attributes:
        ids: ``(H, W)`` int64: place of each pixel's segment in ``labels``,
            counted from 1 on; 0 of no segment.
        labels: ``(N,)`` int64, places in ``classes``; a class of stuff has
            one segment.
        classes: Names of all classes of the model, those of things first.
        num_things: How many of these are of things.
    """

    ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    num_things: int

    @cached_property
    def names(self) -> list[str]:
        """The class of each segment."""
        return [self.classes[label] for label in self.labels.tolist()]

    @cached_property
    def areas(self) -> npt.NDArray[np.int64]:
        """``(N,)``, in pixels."""
        counts = np.bincount(self.ids.ravel(), minlength=len(self) + 1)
        return counts[1:].astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)


Result = Detections | LabelMap | Segments
