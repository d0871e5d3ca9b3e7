"""Programs in a real terminal, and what its screen shows."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte
from processes import ROOT, environment

ROWS = 24
# what decides how a terminal is written to
DECIDING = {'COLUMNS', 'LINES', 'NO_COLOR', 'FORCE_COLOR', 'TERM'}


class Terminal:
    """Python in a pseudo-terminal, seen through a terminal's emulator.

    Args:
        arguments: Of Python.
        columns: How wide the terminal is.
        out: Where stdout goes in place of the terminal.
        term: Its kind.
    """

    def __init__(
        self,
        *arguments: object,
        columns: int = 100,
        out: Path | None = None,
        term: str = 'xterm',
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        size = struct.pack('HHHH', ROWS, columns, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._modes = termios.tcgetattr(self._theirs)
        self.screen = pyte.HistoryScreen(columns, ROWS, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b''
        rest = environment().items()
        variables = {k: v for k, v in rest if k not in DECIDING}
        file = None if out is None else out.open('w')
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env={**variables, 'TERM': term},
            stdin=self._theirs,
            stdout=self._theirs if file is None else file,
            stderr=self._theirs,
            start_new_session=True,
        )
        if file is not None:
            file.close()
        os.set_blocking(self._ours, False)

    @property
    def lines(self) -> list[str]:
        """What was scrolled away, and what is seen."""
        width = self.screen.columns
        history = [
            ''.join(line[i].data for i in range(width)).rstrip()
            for line in self.screen.history.top
        ]
        seen = [line.rstrip() for line in self.screen.display]
        while seen and not seen[-1]:
            seen.pop()
        return history + seen

    def wait(self, until: Callable[[], bool], timeout_s: float = 240) -> None:
        """Show what is written until something is so."""
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)
            self._read()

    def finish(self, number: signal.Signals | None = None) -> int:
        """Wait for the end, or for that after a signal; gives the code.

        The terminal is as it was then: its modes, and the cursor is seen.
        """
        if number is not None:
            self.process.send_signal(number)
        self.wait(lambda: self.process.poll() is not None)
        self._read()
        assert termios.tcgetattr(self._theirs) == self._modes
        assert not self.screen.cursor.hidden
        os.close(self._theirs)
        os.close(self._ours)
        return self.process.returncode

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 65536):
                self.raw += part
                self._stream.feed(part)
        except BlockingIOError:
            return
