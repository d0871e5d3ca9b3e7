"""Compares models: time, memory, parameters and FLOPs, side by side.

Each model runs in a process of its own. A row and its baseline are timed in
turns, so that both see the same machine; peak memory is that of a fresh
process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from vitdense.benchmark.cost.settings import FORWARD, TIMED, Settings
from vitdense.benchmark.cost.worker import Worker, WorkerError

TOLERANCE = 1e-5  # of outputs against the plain form

Tick = Callable[[str], None]


@dataclass(frozen=True)
class Entry:
    """One model to measure.

    Attributes:
        name: As ``names`` reads it.
        python: Interpreter that runs it; None is this one.
    """

    name: str
    python: str | None = None


@dataclass
class CostRow:
    """What was measured of one model.

    Attributes:
        name: As it was asked for.
        settings: How it was run.
        seconds: Every time taken, by what was timed.
        ratios: Baseline's median over this row's, by what was timed: above
            1 is faster. Both taken in turns.
        parameters: Learned values.
        macs: Multiply-accumulates of a forward pass of the batch.
        peak_bytes: Memory at the peak of forward and backward.
        held_bytes: Memory before the first pass: libraries and weights.
        memory_ratio: This row's peak over the baseline's: below 1 is less.
        deviation: From the plain form, relative; None if not checked.
        machine: What it ran on, and versions.
        product_rate: FLOP/s of a plain matrix product in the same process.
        error: Why the row ended early, in one line; None if it did not.
    """

    name: str
    settings: Settings
    seconds: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    parameters: int | None = None
    macs: float | None = None
    peak_bytes: int | None = None
    held_bytes: int | None = None
    memory_ratio: float | None = None
    deviation: float | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    product_rate: float | None = None
    error: str | None = None

    def median(self, mode: str) -> float | None:
        """Median seconds of ``mode``."""
        return median(self.seconds[mode]) if self.seconds.get(mode) else None

    def spread(self, mode: str) -> float | None:
        """Half the distance between the quartiles of ``mode``, seconds."""
        times = self.seconds.get(mode, [])
        if len(times) < 2:
            return None
        low, _, high = quantiles(times, n=4, method='inclusive')
        return (high - low) / 2

    def images_per_second(self, mode: str) -> float | None:
        """Images a second in ``mode``."""
        seconds = self.median(mode)
        return self.settings.batch / seconds if seconds else None

    def matmul_share(self) -> float | None:
        """Share of the matrix product's rate that a forward pass reaches."""
        seconds = self.median(FORWARD)
        if not (seconds and self.macs and self.product_rate):
            return None
        return 2 * self.macs / seconds / self.product_rate


@dataclass(frozen=True)
class Comparison:
    """Which models to measure side by side, and how.

    Attributes:
        workload: 'backbone' or 'step', a key of ``settings.TIMED``.
        entries: One for each row.
        settings: How every row is run.
        baseline: Measured first; the others are compared with it.
        check: Whether outputs are compared with those of the plain form,
            where a backbone has one.
    """

    workload: str
    entries: Sequence[Entry]
    settings: Settings
    baseline: Entry | None = None
    check: bool = False

    def all_entries(self) -> list[Entry]:
        """The baseline, if any, and the others."""
        first = [] if self.baseline is None else [self.baseline]
        return [*first, *self.entries]

    def count_ticks(self) -> int:
        """How often ``compare`` reports progress if nothing fails."""
        # built and warmed up, each repeat, memory
        return len(self.all_entries()) * (self.settings.repeats + 2)


def compare(
    comparison: Comparison, tick: Tick = lambda _: None
) -> Iterator[CostRow]:
    """Measures the rows of a comparison, the baseline's first.

    A row that fails says why and lets the others go on.

    Args:
        comparison: What to measure.
        tick: Called after each part, with the name of the row.
    """
    with ExitStack() as stack:
        baseline = None
        if comparison.baseline is not None:
            baseline = _Measurement(comparison, comparison.baseline, stack)
            baseline.measure(None, tick)
            yield baseline.row
            if baseline.row.error is not None:
                baseline = None
        for entry in comparison.entries:
            with ExitStack() as own:
                measurement = _Measurement(comparison, entry, own)
                measurement.measure(baseline, tick)
                yield measurement.row


class _Measurement:
    """Measures one row; its worker lives as long as ``stack``."""

    def __init__(
        self, comparison: Comparison, entry: Entry, stack: ExitStack
    ) -> None:
        self.comparison = comparison
        self.entry = entry
        self.stack = stack
        self.row = CostRow(entry.name, comparison.settings)
        self.worker: Worker

    def measure(self, baseline: '_Measurement | None', tick: Tick) -> None:
        """Fills the row, in turns with ``baseline``."""
        try:
            self._measure_memory(baseline)
            tick(self.row.name)
            self._start()
            tick(self.row.name)
            self._measure_time(baseline, tick)
            self._check()
        except WorkerError as error:
            self.row.error = str(error)

    def time(self, mode: str) -> float:
        """Seconds of one run in this row's worker."""
        seconds: float = self.worker.ask('time', mode=mode)
        return seconds

    def _open(self, stack: ExitStack) -> Worker:
        worker = Worker(self.comparison.settings, self.entry.python)
        stack.enter_context(worker)
        self.row.parameters = worker.ask(
            'build', workload=self.comparison.workload, name=self.entry.name
        )
        return worker

    def _measure_memory(self, baseline: '_Measurement | None') -> None:
        with ExitStack() as own:
            worker = self._open(own)
            memory = worker.ask('memory')
            self.row.held_bytes = memory['held']
            self.row.peak_bytes = memory['peak']
            if self.comparison.workload == 'backbone':
                self.row.macs = worker.ask('macs')
        if baseline is not None and baseline.row.peak_bytes:
            self.row.memory_ratio = memory['peak'] / baseline.row.peak_bytes

    def _start(self) -> None:
        self.worker = self._open(self.stack)
        self.row.machine = self.worker.ask('machine')
        self.row.product_rate = self.worker.ask('product_rate')
        for mode in TIMED[self.comparison.workload]:
            for _ in range(self.comparison.settings.warmup):
                self.time(mode)

    def _measure_time(
        self, baseline: '_Measurement | None', tick: Tick
    ) -> None:
        sides = [self] if baseline is None else [baseline, self]
        taken: dict[str, list[list[float]]] = {
            mode: [[] for _ in sides]
            for mode in TIMED[self.comparison.workload]
        }
        for _ in range(self.comparison.settings.repeats):
            for mode, columns in taken.items():
                for side, column in zip(sides, columns, strict=True):
                    column.append(side.time(mode))
            tick(self.row.name)
        for mode, columns in taken.items():
            self.row.seconds[mode] = columns[-1]
            if baseline is not None:
                self.row.ratios[mode] = median(columns[0]) / median(columns[1])

    def _check(self) -> None:
        if not self.comparison.check:
            return
        deviation = self.worker.ask('deviation')
        self.row.deviation = deviation
        if deviation is not None and not deviation <= TOLERANCE:  # or NaN
            raise WorkerError(
                f'outputs deviate from the plain form by {deviation:.1e}, '
                f'more than {TOLERANCE:.0e}'
            )
