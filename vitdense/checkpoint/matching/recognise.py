"""Which layout a file has, told by the names of its tensors."""

from collections.abc import Collection, Iterable

from ..errors import CheckpointError
from .rules import Layout


def count_known(layout: Layout, names: Collection[str]) -> int:
    """How many of the names a layout has a rule for."""
    return sum(layout.find(name) is not None for name in names)


def recognise(
    names: Collection[str],
    layouts: Collection[Layout],
    foreign: Iterable[Layout] = (),
) -> Layout:
    """The layout that knows most of the names.

    Args:
        names: Names of the file's tensors.
        layouts: Those of the model's family.
        foreign: Those of other families, looked at to say what a file is
            that fits none of ``layouts``.

    Raises:
        CheckpointError: If no layout knows most of the names.
    """
    best = max(layouts, key=lambda layout: count_known(layout, names))
    known = count_known(best, names)
    if 2 * known > len(names):
        return best
    for layout in foreign:
        count = count_known(layout, names)
        if 2 * count > len(names):
            raise CheckpointError(
                f'it holds weights of another family: {count} of {len(names)} '
                f'names are those of {layout.title}; the layouts of the '
                f"model's family are {_titles(layouts)}"
            )
    raise CheckpointError(
        f'its names fit no known layout (best: {best.title}, with {known} of '
        f'{len(names)}; the first are {", ".join(sorted(names)[:3])}); the '
        f'layouts are {_titles(layouts)}'
    )


def _titles(layouts: Iterable[Layout]) -> str:
    return ', '.join(layout.title for layout in layouts)
