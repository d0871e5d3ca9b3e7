"""Which pictures are trained on and which are scored."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vitdense.projects.folder import TEST, TRAIN, VAL
from vitdense.projects.found import Found, Part, Sample

MAX_SHOWN = 5


def split(
    found: Found, fraction: float, seed: int, anew: bool
) -> tuple[Part, Part, list[str]]:
    """The pictures to train on, those to score, and what was done.

    Args:
        found: What the folder has.
        fraction: The part of pictures that is scored, if it is split here.
        seed: Of the pictures that are drawn.
        anew: Whether splits of the folder do not count.

    Raises:
        ValueError: If there is nothing to train on, or a class would be
            without training pictures.
    """
    parts = found.parts
    samples = [each for part in parts.values() for each in part.samples]
    if not any(each.classes for each in samples):
        raise ValueError(
            f'--data: none of the {len(samples)} pictures has an annotation '
            f'of {list(found.classes)}'
        )
    scored = parts.get(VAL) or parts.get(TEST)
    notes = []
    if scored is not None and TRAIN in parts and not anew:
        train, val = parts[TRAIN], scored
        notes.append('splits are those of the data')
    else:
        whole = parts.get('') or parts.get(TRAIN)
        if whole is None:
            raise ValueError(
                f'--data: there are pictures of {sorted(parts)} alone; '
                '--val-fraction splits them'
            )
        chosen = draw(whole.samples, fraction, seed)
        rest = set(range(len(whole.samples))) - set(chosen)
        train, val = whole.subset(sorted(rest)), whole.subset(chosen)
        notes.append(f'the split was made here, with seed {seed}')
    _check(found, train, val)
    shown = {n for each in samples for n in each.classes}
    absent = [c for n, c in enumerate(found.classes) if n not in shown]
    if absent:
        notes.append(f'no picture shows {_some(absent)}')
    return train, val, notes


def draw(samples: Sequence[Sample], fraction: float, seed: int) -> list[int]:
    """Numbers of pictures to score, so that each class is trained on.

    Args:
        samples: All pictures.
        fraction: How many of them to draw, in (0, 1).
        seed: Of the order in which they are asked.

    Raises:
        ValueError: If none can be spared.
    """
    left = Counter(n for each in samples for n in each.classes)
    wanted = max(1, round(len(samples) * fraction))
    drawn: list[int] = []
    for index in np.random.default_rng(seed).permutation(len(samples)):
        classes = samples[index].classes
        if classes and all(left[n] > 1 for n in classes):
            left.subtract(classes)
            drawn.append(int(index))
        if len(drawn) == wanted:
            break
    if not drawn:
        raise ValueError(
            f'--data: none of the {len(samples)} pictures can be spared for '
            'validation: each shows a class that no other picture shows'
        )
    return sorted(drawn)


def _check(found: Found, train: Part, val: Part) -> None:
    trained = {n for each in train.samples for n in each.classes}
    scored = {n for each in val.samples for n in each.classes}
    without = [found.classes[n] for n in sorted(scored - trained)]
    if without:
        raise ValueError(
            f'--data: the split leaves {len(without)} of '
            f'{len(found.classes)} classes without training pictures: '
            f'{_some(without)}; --val-fraction makes another'
        )


def _some(names: Sequence[str]) -> str:
    more = [f'and {len(names) - MAX_SHOWN} more']
    return ', '.join([*names[:MAX_SHOWN], *more * (len(names) > MAX_SHOWN)])
