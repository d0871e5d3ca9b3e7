"""The one error of this package."""

from collections.abc import Iterator
from contextlib import contextmanager


class CheckpointError(ValueError):
    """A checkpoint that cannot be had, read or fitted; says which and why."""


@contextmanager
def blaming(source: str) -> Iterator[None]:
    """Begin messages of errors raised inside with a source's name."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f'{source}: {error}') from None
