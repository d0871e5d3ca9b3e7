"""Lines and bars that are rewritten in place, in a real terminal."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from resumed_runs import Training
from small_runs import DETECTOR, small_shapes
from terminals import Terminal

__all__ = ['small_shapes']

# logs and prints beside a line, and waits to be killed if asked to
PROGRAM = """
import logging, sys, time
from rich.text import Text
from vitdense.terminal import live_line
log = logging.StreamHandler(sys.stdout)
logger = logging.getLogger()
logger.addHandler(log)
with live_line([log]) as live:
    for step in range(40):
        if live is not None:
            text = Text(f'step {step} of 40 ' + 'x' * 60, no_wrap=True,
                        overflow='ellipsis')
            live.update(text, refresh=True)
        logger.warning(f'\\33[32mlogged\\33[0m {step}')
        print('printed', step)
    print('ready', flush=True)
    if 'wait' in sys.argv:
        time.sleep(600)
logger.warning('after it')
"""
WRITTEN = [
    *(f'{how} {step}' for step in range(40) for how in ('logged', 'printed')),
    'ready',
    'after it',
]


@pytest.mark.parametrize('columns', [100, 20])
def test_lines_go_above_it(columns: int) -> None:
    terminal = Terminal('-c', PROGRAM, columns=columns)
    assert terminal.finish() == 0
    assert terminal.lines == WRITTEN
    # it was there, rewritten, and never longer than the terminal
    assert terminal.raw.count(b'step ') >= 40
    assert b'\x1b[?25l' not in terminal.raw


def test_it_stays_at_the_bottom_until_a_kill() -> None:
    terminal = Terminal('-c', PROGRAM, 'wait')
    terminal.wait(lambda: 'ready' in terminal.lines)
    assert terminal.lines[:-1] == WRITTEN[:-1]
    assert terminal.lines[-1] == 'step 39 of 40 ' + 'x' * 60
    assert terminal.finish(signal.SIGKILL) == -signal.SIGKILL


def test_a_file_has_lines_alone(tmp_path: Path) -> None:
    """What is printed and logged goes to the file, the line to the screen."""
    out = tmp_path / 'out'
    terminal = Terminal('-c', PROGRAM, 'wait', out=out)
    terminal.wait(lambda: 'ready' in out.read_text())
    assert terminal.lines == ['step 39 of 40 ' + 'x' * 60]
    terminal.finish(signal.SIGTERM)
    assert re.sub(r'\x1b\[\d+m', '', out.read_text()).split('\n') == [
        *WRITTEN[:-1],
        '',
    ]


def test_a_dumb_terminal_has_none() -> None:
    terminal = Terminal('-c', PROGRAM, term='dumb')
    assert terminal.finish() == 0
    assert terminal.lines == WRITTEN
    assert b'step' not in terminal.raw


BAR = """
import sys, time
from vitdense.benchmark.cli.shared import progress_bar
with progress_bar() as bar:
    task = bar.add_task('[predicting]', total=3)
    print('printed')
    for done in range(3):
        bar.advance(task)
    bar.refresh()
    if 'wait' in sys.argv:
        time.sleep(600)
"""


def test_bars(tmp_path: Path) -> None:
    terminal = Terminal('-c', BAR, 'wait')
    terminal.wait(lambda: '3/3' in ' '.join(terminal.lines))
    assert terminal.lines[0] == 'printed'
    assert terminal.lines[-1].startswith('[predicting] ')
    terminal.finish(signal.SIGTERM)
    terminal = Terminal('-c', BAR)
    assert terminal.finish() == 0
    assert terminal.lines == ['printed']
    out = tmp_path / 'out'
    assert Terminal('-c', BAR, out=out).finish() == 0
    assert out.read_text() == 'printed\n'


@pytest.mark.slow
@pytest.mark.parametrize('columns', [200, 40])
def test_a_training_that_is_asked_to_stop(
    small_shapes: Path, tmp_path: Path, columns: int
) -> None:
    """Its log is whole above the line, which is gone in the end."""
    settings: dict[str, Any] = {'train_cfg__max_epochs': 99}
    training = Training(DETECTOR, small_shapes, tmp_path, **settings)
    terminal = Terminal(*training.command[1:], columns=columns)
    shown = re.compile(
        r'epoch 1/99  step \d+/396  \d+:\d\d:\d\d left  \d+\.\d GiB  lr '
        r'\d\.\de-\d\d  loss \d+\.\d{3}  loss_rpn_cls'
    )
    begin = 'epoch 1/99  step '

    def is_shown() -> bool:
        last = (terminal.lines or [''])[-1]
        return bool(shown.match(last) if columns > 150 else begin in last)

    terminal.wait(is_shown)
    assert len(terminal.lines[-1]) <= columns
    assert terminal.finish(signal.SIGTERM) == 75
    text = ' '.join(' '.join(terminal.lines).split())
    assert begin not in text
    (log,) = tmp_path.glob('*/*.log')
    progress = [
        line.partition('INFO - ')[2]
        for line in log.read_text().splitlines()
        if 'Epoch(train)' in line
    ]
    assert progress
    for line in progress:  # wrapped, but whole
        assert ''.join(line.split()) in ''.join(text.split())
