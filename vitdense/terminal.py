"""What is rewritten in place on a terminal, and on nothing else."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging import StreamHandler
from typing import Any, TextIO

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.progress import Progress, ProgressColumn

DUMB = {'dumb', 'unknown'}


def shows(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can rewrite a line."""
    can = os.environ.get('TERM', '').lower() not in DUMB
    return can and stream is not None and stream.isatty()


class Screen(Console):
    """The terminal at stderr, if there is one."""

    def __init__(self) -> None:
        # variables that ask for colours do not make a file a terminal
        super().__init__(stderr=True, force_terminal=shows(sys.stderr))

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor visible: nobody would show it after a kill."""
        return False


def bar_of(*columns: ProgressColumn) -> Progress:
    """A bar on a terminal, and nothing elsewhere."""
    screen = Screen()
    return Progress(
        *columns,
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
        redirect_stdout=shows(sys.stdout),
    )


@contextmanager
def live_line(
    handlers: Iterable[StreamHandler[Any]],
) -> Iterator[Live | None]:
    """One line that is rewritten when its text is; None where none can be.

    It is gone when it ends. Nothing runs beside the program: what forks has
    no thread's locks.

    Args:
        handlers: Those of logs on the screen: their lines go above it, as
            all does that is printed.
    """
    screen = Screen()
    if not screen.is_terminal:
        yield None
        return
    live = Live(
        console=screen,
        auto_refresh=False,
        transient=True,
        redirect_stdout=shows(sys.stdout),
    )
    moved = [each for each in handlers if shows(each.stream)]
    with live:
        for each in moved:
            each.setStream(FileProxy(screen, each.stream))
        try:
            yield live
        finally:
            for each in moved:
                each.setStream(each.stream.rich_proxied_file)
