"""Which layout a file has, and what each of its names means there."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..errors import CheckpointError
from .rules import Layout, NameMatch


@dataclass(frozen=True)
class MatchedNames:
    """The names of a file, each looked up once in the file's layout.

    Attributes:
        layout: The layout.
        matches: By name, what it stands for; None where no rule fits.
    """

    layout: Layout
    matches: Mapping[str, NameMatch | None]

    @classmethod
    def look_up(cls, layout: Layout, names: Iterable[str]) -> 'MatchedNames':
        """Match names with a layout, whether or not it is the file's."""
        return cls(layout, {name: layout.match(name) for name in names})

    @cached_property
    def known(self) -> Mapping[str, NameMatch]:
        """The names that a rule fits."""
        return {n: match for n, match in self.matches.items() if match}

    @cached_property
    def prefix(self) -> str:
        """The layout's prefix if a name begins with it, else nothing."""
        prefix = self.layout.prefix
        begun = any(name.startswith(prefix) for name in self.matches)
        return prefix if begun else ''


def recognise(
    names: Collection[str],
    layouts: Iterable[Layout],
    foreign: Iterable[Layout] = (),
) -> MatchedNames:
    """Match names with the layout that knows most of them.

    Args:
        names: Names of the file's tensors.
        layouts: Those that the file may have: of the model's family.
        foreign: Those of other families, looked at to say what a file is
            that fits none of ``layouts``.

    Raises:
        CheckpointError: If no layout knows most of the names.
    """
    tried = []
    for layout in layouts:
        tried.append(MatchedNames.look_up(layout, names))
        if len(tried[-1].known) == len(names):
            break  # no other can know more
    best = max(tried, key=lambda each: len(each.known))
    if 2 * len(best.known) > len(names):
        return best
    own = ', '.join(each.layout.title for each in tried)
    for layout in foreign:
        count = len(MatchedNames.look_up(layout, names).known)
        if 2 * count > len(names):
            raise CheckpointError(
                f'it holds weights of another family: {count} of {len(names)} '
                f'names are those of {layout.title}; the layouts of the '
                f"model's family are {own}"
            )
    raise CheckpointError(
        f'its names fit no known layout (best: {best.layout.title}, with '
        f'{len(best.known)} of {len(names)}; the first are '
        f'{", ".join(sorted(names)[:3])}); the layouts are {own}'
    )
