"""Does the same to many things in several processes, with a progress bar."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from rich.progress import Progress

from vitdense.terminal import Screen

Item = TypeVar('Item')
Result = TypeVar('Result')

# Larger parts would leave processes idle at the end, smaller ones talk more.
MAX_PART = 512
PARTS_EACH = 16

# What a process is given at its start, inherited and never pickled.
_given: Any = None


def available_processes() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int,
    title: str,
) -> Iterator[Result]:
    """Results of ``work``, in the order of the items.

    Processes are forked, which hands them the items as they are; where the
    system cannot fork, this process does all.

    Args:
        work: What is done to each; its results have to be picklable.
        items: What it is done to.
        processes: How many processes, from 1 on.
        title: What the progress bar says; it is shown on terminals alone.
    """
    screen = Screen()
    bar = Progress(
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
        # a forked process may inherit its lock, and would wait for ever
        redirect_stdout=False,
        redirect_stderr=False,
    )
    several = (
        processes > 1 and 'fork' in multiprocessing.get_all_start_methods()
    )
    run = _in_processes if several else _here
    with bar:
        task = bar.add_task(title, total=len(items))
        for part in run(work, items, processes):
            yield from part
            bar.advance(task, len(part))


def _parts(count: int, processes: int) -> list[range]:
    size = max(1, min(MAX_PART, count // (processes * PARTS_EACH)))
    return [
        range(start, min(start + size, count))
        for start in range(0, count, size)
    ]


def _here(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[list[Result]]:
    for part in _parts(len(items), processes):
        yield [work(items[index]) for index in part]


def _in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[list[Result]]:
    # else a collection in a child writes to, and so copies, every object
    gc.freeze()
    try:
        with ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context('fork'),
            initializer=_take,
            initargs=((work, items),),
        ) as pool:
            yield from pool.map(_do, _parts(len(items), processes))
    finally:
        gc.unfreeze()


def _take(given: Any) -> None:
    global _given
    _given = given


def _do(part: range) -> list[Any]:
    work, items = _given
    return [work(items[index]) for index in part]
