"""Code run in a fresh interpreter, where nothing is imported yet."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def python(*arguments: object, folder: Path = ROOT) -> tuple[int, str]:
    """Exit status and all output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )
    return done.returncode, done.stdout


def check(code: str, folder: Path = ROOT) -> str:
    """Output of code that must succeed."""
    status, output = python('-c', code, folder=folder)
    assert status == 0, output
    return output
