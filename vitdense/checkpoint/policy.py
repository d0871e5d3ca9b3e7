"""Whether this process runs the code that pickles hold: never, unless told.

The tools' ``--trust-pickle`` is the one way to tell it.
"""

from dataclasses import dataclass


@dataclass
class Policy:
    """The process's decision."""

    trust_pickle: bool = False


POLICY = Policy()
