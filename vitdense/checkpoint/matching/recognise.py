"""Which layout a file has, and what each of its names means there."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..errors import CheckpointError
from .rules import Layout, NameMatch

NO_LAYOUT = Layout('none', ())


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


def best_match(
    names: Collection[str], layouts: Iterable[Layout]
) -> MatchedNames:
    """Match names with the layout that knows most of them, if few.

    Args:
        names: Names of the file's tensors.
        layouts: Those to try; of equals the first is taken.
    """
    tried = [MatchedNames(NO_LAYOUT, dict.fromkeys(names))]
    for layout in layouts:
        tried.append(MatchedNames.look_up(layout, names))
        if len(tried[-1].known) == len(names):
            break  # no other can know more
    return max(tried, key=lambda each: len(each.known))


def refuse_unknown(
    best: MatchedNames, layouts: Iterable[Layout], foreign: Iterable[Layout]
) -> None:
    """Refuse a file that no layout knows, or one of another family better.

    Args:
        best: Its names, by the layout that knows the most.
        layouts: Those that the file may have.
        foreign: Those of other families, to say what else a file is.

    Raises:
        CheckpointError: If it is such a file.
    """
    names, known = best.matches.keys(), len(best.known)
    if known == len(names):
        return
    own = ', '.join(layout.title for layout in layouts)
    other = best_match(names, foreign)
    if 2 * len(other.known) > len(names) and len(other.known) > known:
        raise CheckpointError(
            f'it holds weights of another family: {len(other.known)} of '
            f'{len(names)} names are those of {other.layout.title}; the '
            f"layouts of the model's family are {own}"
        )
    if 2 * known <= len(names):
        raise CheckpointError(
            f'its names fit no known layout (best: {best.layout.title}, with '
            f'{known} of {len(names)}; the first are '
            f'{", ".join(sorted(names)[:3])}); the layouts are {own}'
        )
