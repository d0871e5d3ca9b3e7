"""Makes the predictions of checkpoints, in processes of their own."""

import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.run_names import Named, Trained
from vitdense.benchmark.accuracy.work_folder import curves, last_checkpoint

ROOT = Path(__file__).resolve().parents[3]  # the folder that holds vitdense
PREDICT = 'vitdense.benchmark.accuracy.predict'
LAUNCH = 'vitdense.engine.launch'
# how lines of that process begin
DESCRIBED, ERROR = 'described ', 'error: '
COUNTED = re.compile(r'predicted (\d+)')

Tick = Callable[[int], None]


@dataclass(frozen=True)
class Predicting:
    """How predictions are made.

    Attributes:
        folder: Where they are kept; None for ``predictions`` in the work
            folder or beside the checkpoint.
        processes: How many share the images; None for one without a
            launcher.
        cfg_options: Settings that replace those of all configs.
        trust_pickle: Whether code that checkpoints hold may run.
    """

    folder: Path | None = None
    processes: int | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    trust_pickle: bool = False


@dataclass(frozen=True)
class Described:
    """A run that can be predicted, or is.

    Attributes:
        run: What is known of it.
        truth_sha256: Digest of what it is scored by.
        images: How many there are.
        command: What makes its predictions.
    """

    run: ModelRun
    truth_sha256: str
    images: int
    command: tuple[str, ...]


def describe(name: str, trained: Trained, how: Predicting) -> Described:
    """Check a run, all of it unless its predictions are kept already.

    Raises:
        ValueError: If anything cannot be used, with the name.
    """
    beside = trained.work_dir or trained.checkpoint.parent
    folder = how.folder or beside / 'predictions'
    options = {
        'config': str(trained.config),
        'checkpoint': str(trained.checkpoint),
        'cfg_options': dict(how.cfg_options),
        'trust_pickle': how.trust_pickle,
    }
    asked = [json.dumps(options), '--folder', str(folder)]
    more = ['--describe']
    if trained.work_dir is not None:
        more += ['--finished', str(last_checkpoint(trained.work_dir))]
    told = {}
    with _process([sys.executable, '-m', PREDICT, *asked, *more]) as lines:
        for line in lines:
            if line.startswith(DESCRIBED):
                told = json.loads(line.removeprefix(DESCRIBED))
    run = ModelRun(
        name,
        Path(told['predictions']),
        Path(told['annotations']),
        images=Path(told['images']),
        classes=tuple(told['classes']),
        reduce_zero_label=told['reduce_zero_label'],
        label_maps=tuple(told['label_maps']),
        config=told['config'],
        work_dir=trained.work_dir,
        checkpoint=trained.checkpoint,
        sha256=told['sha256'],
        versions=told['versions'],
        curves=curves(trained.work_dir) if trained.work_dir else (),
    )
    start = [sys.executable, '-u', '-m', PREDICT]
    if how.processes is not None:
        start = [
            *(sys.executable, '-m', LAUNCH, '--master_port', _free_port()),
            *('--nproc_per_node', str(how.processes), '-m', PREDICT),
        ]
    command = (*start, *asked)
    return Described(run, told['truth_sha256'], told['count'], command)


def predict(described: Described, tick: Tick) -> None:
    """Make the predictions of a run, unless they are kept.

    Args:
        described: The run.
        tick: Told the number of images that were predicted since.

    Raises:
        ValueError: If the process that makes them ends early.
    """
    path = described.run.predictions
    if path.exists():
        tick(described.images)
        return
    with _process(described.command) as lines:
        for line in lines:
            # a line that another one has got into is not counted
            if counted := COUNTED.fullmatch(line):
                tick(int(counted[1]))


@contextmanager
def _process(command: Sequence[str]) -> Iterator[Iterator[str]]:
    """Lines of what a process says, as it says them.

    Raises:
        ValueError: If it fails, with its error.
    """
    paths = [os.environ.get('PYTHONPATH', ''), str(ROOT)]
    process = subprocess.Popen(  # noqa: S603, the user's own
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))},
    )
    said: list[str] = []
    output = process.stdout or io.StringIO()

    def lines() -> Iterator[str]:
        for line in output:
            said.append(line.rstrip())
            yield said[-1]

    try:
        yield lines()
        process.wait()
    finally:
        process.terminate()
        process.wait()
        output.close()
    if process.returncode:
        errors = [line for line in said if line.startswith(ERROR)]
        last = (errors or said or [''])[-1]
        raise ValueError(
            last.removeprefix(ERROR)
            or f'{PREDICT} ended with code {process.returncode}'
        )


def _free_port() -> str:
    with socket.socket() as open_socket:
        open_socket.bind(('', 0))
        return str(open_socket.getsockname()[1])


def known_runs(
    models: Mapping[str, Sequence[Named]],
    annotations: Path | None,
    how: Predicting,
    begun: Callable[[str, int], Tick],
) -> dict[str, list[ModelRun]]:
    """All that is known of runs, with predictions that are missing made.

    Args:
        models: The runs of each model.
        annotations: The truth; None where a config says it.
        how: How predictions are made.
        begun: Told what is done next, and of how many images; gives what is
            told of them.

    Raises:
        ValueError, OSError: If anything cannot be used, before anything is
            predicted.
    """
    described: dict[tuple[str, int], Described] = {}
    for name, runs in models.items():
        for index, each in enumerate(runs):
            if isinstance(each, Trained):
                begun(f'{name}: checking', 0)
                try:
                    found = describe(name, each, how)
                except (ValueError, OSError) as error:
                    place = each.work_dir or f'{each.config}:{each.checkpoint}'
                    text = f'{name} ({place}): {error}'
                    raise ValueError(text) from None
                described[name, index] = found
    _check_same([*described.values()], annotations)
    truth = next((each.run for each in described.values()), None)
    if truth is None and annotations is None:
        raise ValueError(
            f'no run of {sorted(models)} has a config that says the truth; '
            'add --annotations'
        )
    for (name, index), found in described.items():
        several = len(models[name]) > 1
        title = f'{name} {index + 1}' if several else name
        try:
            predict(found, begun(title, found.images))
        except ValueError as error:
            raise ValueError(f'{title}: {error}') from None
    return {
        name: [
            described[name, index].run
            if isinstance(each, Trained)
            else _results(name, each.path, truth, annotations)
            for index, each in enumerate(runs)
        ]
        for name, runs in models.items()
    }


def _results(
    name: str, path: Path, truth: ModelRun | None, annotations: Path | None
) -> ModelRun:
    """Predictions that are there, on the data of the other runs."""
    if truth is None:
        return ModelRun(name, path, annotations or Path())
    return ModelRun(
        name,
        path,
        truth.annotations,
        images=truth.images,
        classes=truth.classes,
        reduce_zero_label=truth.reduce_zero_label,
        label_maps=truth.label_maps,
    )


def _check_same(
    described: Sequence[Described], annotations: Path | None
) -> None:
    """See that runs are of the same data and classes.

    Raises:
        ValueError: If two are not, naming both.
    """
    if not described:
        return
    first, *others = described
    one = first.run
    for each in others:
        other = each.run
        if one.classes != other.classes:
            lone = sorted(set(one.classes) ^ set(other.classes))[:3]
            raise ValueError(
                f'{one.name} has {len(one.classes)} classes, {other.name} '
                f'has {len(other.classes)}; '
                + (f'not in both: {lone}' if lone else 'in another order')
            )
        if one.reduce_zero_label != other.reduce_zero_label:
            raise ValueError(
                f'{one.name} has reduce_zero_label={one.reduce_zero_label}, '
                f'{other.name} has {other.reduce_zero_label}; the same labels '
                'are other classes'
            )
        if first.truth_sha256 != each.truth_sha256:
            raise ValueError(
                f'{one.name} is tested on {str(one.annotations)!r}, '
                f'{other.name} on {str(other.annotations)!r}, which differ'
            )
    if annotations is None or annotations.resolve() == (
        one.annotations.resolve()
    ):
        return
    files = (annotations, one.annotations)
    if all(each.is_file() for each in files):
        here, there = (each.read_bytes() for each in files)
        if here == there:
            return
    raise ValueError(
        f'--annotations {str(annotations)!r} is not what {one.name} is '
        f'tested on, {str(one.annotations)!r}; leave it out'
    )
