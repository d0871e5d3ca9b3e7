"""What is said of a step whose losses or gradients are not finite."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vitdense.engine.replay import Findings

# So many names are in a message; tools/replay_batch.py tells all.
SHOWN = 3


class Report(NamedTuple):
    """What one process saw of a bad step.

    Attributes:
        what: What is not finite, in words; empty if nothing of its own.
        images: The images of its batches.
        kept: The file that has its batches, or why there is none.
    """

    what: str
    images: list[str]
    kept: str


def compose(
    iteration: int, reports: Sequence[Report], last_checkpoint: str | None
) -> str:
    """The message, naming the processes that have bad numbers of their own.

    Args:
        iteration: At which iteration it was seen.
        reports: Those of all processes, in order.
        last_checkpoint: The last that was saved, if any.
    """
    seen = [(i, r) for i, r in enumerate(reports) if r.what]
    parts = []
    for rank, report in seen or [(0, reports[0])]:
        where = f'in process {rank}: ' if len(reports) > 1 else ''
        images = ', '.join(report.images) or 'unknown'
        part = f'{where}{report.what or "gradients"}; images: {images}'
        parts.append('; '.join(filter(None, [part, report.kept])))
    return (
        f'not finite at iteration {iteration}: {"; ".join(parts)}; '
        f'last good checkpoint: {last_checkpoint or "none"}'
    )


def describe(found: Findings) -> str:
    """What is not finite, in words; empty if all is."""
    if found.weights:
        return f'weights before the step: {some(found.weights)}'
    if found.bad_losses:
        return some(
            f'{each.name} of iteration {each.iteration} '
            f'({each.non_finite} of {each.values} values)'
            for each in found.bad_losses
        )
    if found.gradients:
        return f'gradients of {some(found.gradients)}, from finite losses'
    return ''


def some(names: Iterable[str]) -> str:
    """The first of some names, and how many more."""
    listed = list(names)
    rest = len(listed) - SHOWN
    text = ', '.join(listed[:SHOWN])
    return f'{text} and {rest} more' if rest > 0 else text
