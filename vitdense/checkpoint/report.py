"""What loading did, in one line or in full."""

from collections import Counter
from dataclasses import dataclass

from .matching.plan import LoadPlan
from .reading.unwrap import BackboneTensors


@dataclass(frozen=True)
class LoadReport:
    """What was loaded, and everything that was not taken as it was.

    Attributes:
        source: The file or URL.
        layout: How the file named its tensors.
        matched: Tensors of the model that were loaded.
        total: Tensors of the model.
        adapted: Each change of shape that was made.
        dropped: Each tensor of the file left aside, and what it is.
        initial: Tensors of the model left at their initial values.
        notes: Choices made on the way, and facts about such files.
    """

    source: str
    layout: str
    matched: int
    total: int
    adapted: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    initial: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for the log."""
        parts = [
            f'loaded {self.source}: layout {self.layout}, {self.matched} of '
            f'{self.total} tensors matched',
            f'adapted: {", ".join(self.adapted) or "none"}',
            f'dropped: {self._count_dropped() or "none"}',
        ]
        if self.initial:
            parts.append(
                f'left at their initial values: {len(self.initial)} under '
                f'{_common_prefix(self.initial)}'
            )
        return '; '.join((*parts, *self.notes))

    def _count_dropped(self) -> str:
        counts = Counter(reason for _, reason in self.dropped)
        named = {
            reason: ', '.join(n for n, r in self.dropped if r == reason)
            for reason in counts
        }
        return ', '.join(
            f'{named[reason]} ({reason})'
            if count <= 6
            else f'{count} tensors ({reason})'
            for reason, count in counts.items()
        )


def make_report(
    source: str, held: BackboneTensors, plan: LoadPlan, total: int
) -> LoadReport:
    """Tell what a plan does with a file.

    Args:
        source: The file or URL.
        held: The file's tensors.
        plan: What is done with them.
        total: How many tensors the model has.
    """
    outside = (
        (name, f'{name.partition(".")[0]}, outside the backbone')
        for name in held.outside
    )
    note = plan.layout.note
    return LoadReport(
        source=source,
        layout=plan.layout.title,
        matched=len(plan.chunks),
        total=total,
        adapted=tuple(each.text for each in plan.adapted.values()),
        dropped=(*plan.dropped.items(), *outside),
        initial=tuple(plan.initial),
        notes=(*held.notes, note) if note else tuple(held.notes),
    )


def _common_prefix(names: tuple[str, ...]) -> str:
    first, last = min(names), max(names)
    end = next(
        (
            i
            for i, (a, b) in enumerate(zip(first, last, strict=False))
            if a != b
        ),
        len(first),
    )
    return first[:end].rpartition('.')[0] or first
