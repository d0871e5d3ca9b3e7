"""Tensors that depend on the classes: which rows belong to which class.

Classes are numbered in the order of their data set. Along an axis that
depends on them, a tensor holds for each of ``repeats`` groups ``width`` rows
of every class, then ``extra`` rows of no class, such as a background's::

    repeats * (classes * width + extra)
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .rules import Shape

# background; objectness as it is and as it is not (mmdet's Seesaw loss)
MOST_EXTRA = 2
_BETWEEN_WORDS = re.compile(r'[\s_-]+')


@dataclass(frozen=True)
class ClassMatch:
    """The classes of a checkpoint and of a data set, matched by name.

    Attributes:
        held: Names of the checkpoint's.
        wanted: Names of the data set's.
        pairs: Numbers of those that both have: there, here.
    """

    held: tuple[str, ...]
    wanted: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(
        cls,
        held: Sequence[str],
        wanted: Sequence[str],
        held_by: str,
        wanted_by: str,
    ) -> 'ClassMatch':
        """Match two lists of names, whatever their case and word breaks.

        Args:
            held: Names of a checkpoint's classes.
            wanted: Names of a data set's.
            held_by: What messages call the first.
            wanted_by: What they call the second.

        Raises:
            ValueError: If two names of one list are the same.
        """
        known = numbered_names(held, held_by)
        own = numbered_names(wanted, wanted_by)
        pairs = ((known[name], own[name]) for name in own if name in known)
        return cls(tuple(held), tuple(wanted), tuple(pairs))

    @property
    def kept(self) -> list[str]:
        """The data set's classes that the checkpoint has."""
        return [self.wanted[here] for _, here in self.pairs]

    @property
    def new(self) -> list[str]:
        """The data set's other classes."""
        known = {here for _, here in self.pairs}
        return [n for i, n in enumerate(self.wanted) if i not in known]


def numbered_names(names: Sequence[str], place: str) -> dict[str, int]:
    """Numbers of classes by their names as they are matched.

    Args:
        names: The names, in order.
        place: What messages call them.

    Raises:
        ValueError: If two of them are the same for matching.
    """
    plain = [_BETWEEN_WORDS.sub(' ', n).strip().casefold() for n in names]
    twice = {name for name, count in Counter(plain).items() if count > 1}
    if twice:
        given = [n for n, p in zip(names, plain, strict=True) if p in twice]
        raise ValueError(
            f'{place}: {given} are one name for matching, which heeds no '
            'case, underscore, hyphen or space'
        )
    return {name: number for number, name in enumerate(plain)}


@dataclass(frozen=True)
class ClassAxis:
    """An axis along which the rows of classes lie; see the module."""

    axis: int
    repeats: int
    width: int
    extra: int

    def rows(self, numbers: Sequence[int], classes: int) -> list[int]:
        """Where rows of some classes lie, and those of no class after them.

        Args:
            numbers: The classes.
            classes: How many there are.
        """
        group = classes * self.width + self.extra
        of_classes = [
            number * self.width + row
            for number in numbers
            for row in range(self.width)
        ]
        rest = range(classes * self.width, group)
        return [
            repeat * group + row
            for repeat in range(self.repeats)
            for row in (*of_classes, *rest)
        ]


@dataclass(frozen=True)
class ClassTensor:
    """A tensor whose shape depends on the number of classes.

    Attributes:
        shape: Its shape at ``classes``.
        steps: What each axis grows by with a class more.
        classes: The number of classes.
        axes: How the rows lie where it grows; None if that is not known.
    """

    shape: Shape
    steps: Shape
    classes: int
    axes: tuple[ClassAxis, ...] | None

    @classmethod
    def of(
        cls, shape: Shape, larger: Shape, classes: int, priors: Collection[int]
    ) -> 'ClassTensor':
        """Tell how a tensor depends on the classes from two of its shapes.

        Args:
            shape: That at ``classes``.
            larger: That with a class more.
            classes: The number of classes.
            priors: For a head that predicts at the places of priors
                (anchors, points): how many a place may have. They are the
                outer order there, and classes the inner one; other heads
                hold all rows of a class together.
        """
        steps = tuple(b - a for a, b in zip(shape, larger, strict=True))
        axes = []
        for axis, (size, step) in enumerate(zip(shape, steps, strict=True)):
            if step == 0:
                continue
            repeats = step if priors else 1
            rest, odd = divmod(size - step * classes, repeats)
            if (
                odd
                or not 0 <= rest <= MOST_EXTRA
                or (priors and step not in priors)
            ):
                return cls(shape, steps, classes, None)
            axes.append(ClassAxis(axis, repeats, step // repeats, rest))
        return cls(shape, steps, classes, tuple(axes))

    def shape_at(self, classes: int) -> Shape:
        """Its shape with another number of classes."""
        more = classes - self.classes
        return tuple(
            size + step * more
            for size, step in zip(self.shape, self.steps, strict=True)
        )

    def fit(self, held: Tensor, initial: Tensor, match: ClassMatch) -> Tensor:
        """Rows of classes of the same name, and of no class, from ``held``;
        all others from ``initial``.

        Args:
            held: The checkpoint's tensor.
            initial: The model's.
            match: The classes of both.
        """
        there = [number for number, _ in match.pairs]
        here = [number for _, number in match.pairs]
        wanted = [torch.arange(size) for size in initial.shape]
        for axis in self.axes or ():
            rows = torch.tensor(axis.rows(there, len(match.held)))
            held = held.index_select(axis.axis, rows)
            rows = torch.tensor(axis.rows(here, len(match.wanted)))
            wanted[axis.axis] = rows
        fitted = initial.clone()
        places = torch.meshgrid(*wanted, indexing='ij')
        fitted[places] = held.to(fitted.dtype)
        return fitted


def class_tensors(
    fewer: Mapping[str, Shape],
    more: Mapping[str, Shape],
    classes: int,
    priors: Mapping[str, Collection[int]],
) -> dict[str, ClassTensor]:
    """Find the tensors that depend on the classes.

    Args:
        fewer: Shapes of a model's tensors at ``classes``, by name.
        more: The same with a class more.
        classes: The number of classes.
        priors: For tensors of heads that have priors, how many a place may
            have, by name.
    """
    return {
        name: ClassTensor.of(shape, more[name], classes, priors.get(name, ()))
        for name, shape in fewer.items()
        if more[name] != shape
    }
