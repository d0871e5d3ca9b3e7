"""Trainings in processes of their own, killed and resumed.

A run is a quick start on a few pictures, one at a time.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from processes import LAUNCH, ROOT, environment, torchrun
from small_runs import where

from vitdense.checkpoint.reading.safe import read_file


class Training:
    """``tools/train.py`` on a few pictures, as a user starts it."""

    def __init__(
        self,
        config: Path,
        root: Path,
        work_dir: Path,
        *,
        processes: int = 1,
        module: str = LAUNCH,
        **settings: Any,
    ) -> None:
        """Make its command.

        Args:
            config: A quick start, or one that is derived from it.
            root: Where its data set is.
            work_dir: Where it writes.
            processes: How many train.
            module: What starts several.
            settings: Of the config, with ``__`` in place of dots.
        """
        self.work_dir = work_dir
        options = where(root, config) | {
            'train_dataloader.batch_size': 1,
            'randomness.seed': 3,
            'default_hooks.logger.interval': 1,
        }
        options |= {k.replace('__', '.'): v for k, v in settings.items()}
        several = processes > 1
        self.command = [
            *(torchrun(processes, module) if several else [sys.executable]),
            *(str(ROOT / 'tools' / 'train.py'), str(config)),
            *('--work-dir', str(work_dir), '--resume', '--cfg-options'),
            *(f'{key}={value}' for key, value in options.items()),
        ]

    def start(self) -> subprocess.Popen[str]:
        """Start it in a group of processes of its own."""
        return subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, timeout_s: float = 1800) -> str:
        """Run it to its end; gives all that it prints."""
        process = self.start()
        output, _ = process.communicate(timeout=timeout_s)
        assert process.returncode == 0, output[-4000:]
        return output

    def signal(
        self, process: subprocess.Popen[str], number: signal.Signals
    ) -> None:
        """Send a signal to it and to all that it has started."""
        os.killpg(process.pid, number)

    def lines_until(
        self, process: subprocess.Popen[str], text: str
    ) -> Iterator[str]:
        """What a running one prints, until a line has a text."""
        assert process.stdout is not None
        for line in process.stdout:
            yield line
            if text in line:
                return
        raise AssertionError(f'it ended without {text!r}')

    def last(self) -> dict[str, Any]:
        """The last checkpoint's content."""
        name = (self.work_dir / 'last_checkpoint').read_text()
        content: dict[str, Any] = read_file(self.work_dir / name)
        return content


def kill_at_random(
    trainings: Sequence[Training], times: int, draw: random.Random
) -> int:
    """Kill a training so often, and then let it end.

    One in four kills comes while it starts, the others up to four steps after
    that: in a step, a save or an evaluation. Gives how many of these.

    Args:
        trainings: The same one in forms that go on from each other, in turns.
        times: How often.
        draw: Gives the moments.
    """
    turns = itertools.cycle(trainings)
    later = 0
    for training in itertools.islice(turns, times):
        process = training.start()
        steps = draw.choice(range(-1, 5))
        if steps < 1:
            time.sleep(draw.uniform(1.0, 8.0))
        else:
            for _ in range(steps):
                list(training.lines_until(process, '(train)'))
            time.sleep(draw.uniform(0.0, 0.5))
            later += 1
        assert process.poll() is None, process.stdout.read()[-4000:]
        process.kill()
        process.communicate(timeout=180)
    next(turns).finish()
    return later


def differing(one: Any, other: Any, place: str = '') -> list[str]:
    """Where two checkpoints differ, by a bit or in kind."""
    if isinstance(one, torch.Tensor):
        same = isinstance(other, torch.Tensor) and torch.equal(one, other)
        return [] if same else [place]
    if isinstance(one, dict):
        if not isinstance(other, dict) or one.keys() != other.keys():
            return [f'{place} (keys)']
        pairs = [(str(key), one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f'{place} (length)']
        pairs = [
            (str(i), *both)
            for i, both in enumerate(zip(one, other, strict=True))
        ]
    else:
        return [] if one == other else [place]
    return [
        where
        for name, a, b in pairs
        for where in differing(a, b, f'{place}.{name}')
    ]


def learned(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What two equal runs have in common: weights, moments, rates, place."""
    names = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    kept = {name: checkpoint[name] for name in names if name in checkpoint}
    ranks = checkpoint['resume']['ranks']
    loop = checkpoint['resume']['loop']
    info = checkpoint['message_hub']['runtime_info']
    best = {k: v for k, v in info.items() if k.startswith('best_score')}
    place = {key: checkpoint['meta'][key] for key in ('epoch', 'iter')}
    return {**kept, 'ranks': ranks, 'loop': loop, **best, **place}
