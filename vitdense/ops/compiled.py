"""How loops are compiled by Numba.

They run outside of the interpreter lock in plain threads: Numba's own thread
pools abort a process that forks or calls from several threads.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar('Function', bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Numba's decorator; compiled code is kept on disk where there is room."""
    options.update(nogil=True, error_model='numpy')

    def decorate(function: Function) -> Function:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder can be written to
            return numba.njit(**options)(function)

    return decorate
