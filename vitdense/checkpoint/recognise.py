"""Which layout a file has, told by the names of its tensors."""

from collections.abc import Collection

from .errors import CheckpointError
from .layouts import LAYOUTS
from .rules import Layout


def recognise(names: Collection[str], family: str | None = None) -> Layout:
    """The layout that knows most of the names.

    Args:
        names: Names of the file's tensors.
        family: Family of the model, preferred if two layouts fit equally;
            None if it is not known.

    Raises:
        CheckpointError: If no layout knows most of the names, or the one
            that does is of another family.
    """

    def fit(layout: Layout) -> tuple[int, bool]:
        known = sum(layout.find(name) is not None for name in names)
        return known, layout.family == family

    best = max(LAYOUTS, key=fit)
    known = fit(best)[0]
    if 2 * known <= len(names):
        raise CheckpointError(
            f'its names fit no known layout (best: {best.title}, with '
            f'{known} of {len(names)}; the first are '
            f'{", ".join(sorted(names)[:3])}); the layouts are '
            f'{", ".join(layout.title for layout in LAYOUTS)}'
        )
    if family not in (best.family, None):
        raise CheckpointError(
            f'it holds weights of another family: {known} of {len(names)} '
            f'names are those of {best.title}, the model is of family '
            f'{family!r}'
        )
    return best
