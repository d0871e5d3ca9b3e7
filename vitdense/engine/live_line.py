"""What a run is at, in one line at the bottom of a terminal."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.live import Live
from rich.text import Text

from vitdense.terminal import live_line

INTERVAL_S = 0.5
# steps that losses are averaged over
STEPS = 10


class LiveLineHook(Hook):
    """Tells step, time left, memory, rate and losses.

    Args:
        live: Where to.
    """

    priority = 'LOWEST'

    def __init__(self, live: Live) -> None:
        self._live = live
        self._shown_s = 0.0

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        """Show it, if the last time is a while ago."""
        now = time.monotonic()
        if now - self._shown_s < INTERVAL_S:
            return
        self._shown_s = now
        text = '  '.join(_parts(runner, batch_idx + 1, mode))
        line = Text(text, no_wrap=True, overflow='ellipsis')
        self._live.update(line, refresh=True)


def _parts(runner: Any, batch: int, mode: str) -> Iterator[str]:
    """What matters most first: a narrow terminal cuts the rest."""
    hub = runner.message_hub
    if mode != 'train':
        loader = getattr(runner, f'{mode}_dataloader')
        yield f'{mode} {batch}/{len(loader)}'
    else:
        epochs = f'epoch {runner.epoch + 1}/{runner.max_epochs}  '
        yield (
            epochs * (runner.max_epochs > 1)
            + f'step {runner.iter + 1}/{runner.max_iters}'
        )
    if 'eta' in hub.runtime_info:
        left = timedelta(seconds=int(hub.get_info('eta')))
        yield f'{left} left'
    yield f'{_memory_gib():.1f} GiB'
    if mode != 'train':
        return
    scalars = {
        name.removeprefix('train/'): buffer
        for name, buffer in hub.log_scalars.items()
        if name.startswith('train/')
    }
    if 'lr' in scalars:
        yield f'lr {scalars["lr"].current():.1e}'
    losses = [name for name in scalars if 'loss' in name]
    for name in sorted(losses, key=lambda name: name != 'loss'):
        yield f'{name} {scalars[name].mean(STEPS):.3f}'


def _memory_gib() -> float:
    """The most that was used: of the GPU, else by this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def live_line_of(runner: Any, handlers: Any) -> Iterator[None]:
    """Show the line while the first process runs.

    Args:
        runner: The run.
        handlers: Those of its log that write to the screen.
    """
    if runner.rank != 0:
        yield
        return
    with live_line(handlers) as live:
        if live is not None:
            runner.register_hook(LiveLineHook(live))
        yield
