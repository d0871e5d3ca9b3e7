"""The tools, run in this process or as a user runs them."""

import runpy
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from processes import environment

ROOT = Path(__file__).resolve().parents[2]


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def tool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run ``tools/NAME.py ARGS`` here, which saves importing everything."""

    def run(name: str, *args: object) -> Outcome:
        # as in a new process: no default scope, no logger to old output, no
        # visualizer of an old work folder
        managers = (DefaultScope, MMLogger, MessageHub)
        visualizers = (Visualizer, *Visualizer.__subclasses__())
        for managed in managers + visualizers:
            monkeypatch.setattr(managed, '_instance_dict', OrderedDict())
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        code = 0
        try:
            runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
        except SystemExit as ending:
            code = int(ending.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope='session')
def command() -> Callable[..., str]:
    """Run a script in a process of its own; gives all that it prints."""

    def run(script: Path, *args: object) -> str:
        done = subprocess.run(
            [sys.executable, str(script), *map(str, args)],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    return run
