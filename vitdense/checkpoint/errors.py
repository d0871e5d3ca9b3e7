"""The one error of this package."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be had, read or fitted; says which and why."""
