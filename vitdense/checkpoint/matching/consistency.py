"""Whether a file agrees with itself, where no model can tell.

A tensor that the pyramid drops has no target to be held against; it is held
against the rest of the file.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from .recognise import MatchedNames
from .rules import Shape


def partial_groups(
    names: MatchedNames, dropped: Collection[str]
) -> Iterator[str]:
    """Complain of parts, such as a classifier, that are there only in part.

    A file holds them whole or not at all: a lost tensor is a damaged file.

    Args:
        names: The file's names.
        dropped: Those of them that are dropped.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name, reason in names.layout.dropped.items():
        groups[reason].append(name)
    there = {name.removeprefix(names.prefix) for name in dropped}
    for reason, group in groups.items():
        missing = [name for name in group if name not in there]
        if missing and len(missing) < len(group):
            begun = any(names.prefix + name in dropped for name in group)
            yield from (
                f'missing: {names.prefix if begun else ""}{name} (the rest '
                f'of the {reason} is there)'
                for name in missing
            )


def odd_sizes(
    names: MatchedNames, source: Mapping[str, Shape]
) -> Iterator[str]:
    """Complain of dimensions that should be equal and are not.

    Args:
        names: The file's names.
        source: Shapes of its tensors by name.
    """
    sizes: dict[str, dict[int, list[str]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for name, match in names.known.items():
        letters, shape = match.rule.shape.split(), source[name]
        if not letters:
            continue
        fixed = zip(letters, shape, strict=False)
        if len(letters) != len(shape) or any(
            letter.isdigit() and int(letter) != size for letter, size in fixed
        ):
            yield (
                f'other shape: {name} is {shape}, not ({", ".join(letters)})'
            )
            continue
        for letter, size in zip(letters, shape, strict=True):
            if letter.isalpha():
                sizes[letter][size].append(f'{name} {shape}')
    for by_size in sizes.values():
        if len(by_size) > 1:
            odd = [name for group in by_size.values() for name in group]
            yield f'other shape: these do not agree: {", ".join(odd)}'


def odd_grids(sides: Mapping[str, int]) -> Iterator[str]:
    """Complain of position grids that are not those of one image size.

    Args:
        sides: Sides of the grids by name, in order of the stages.
    """
    if any(b != a // 2 for a, b in pairwise(sides.values())):
        grids = ', '.join(f'{n} {s} x {s}' for n, s in sides.items())
        yield f'other shape: grids that do not halve by stages: {grids}'
