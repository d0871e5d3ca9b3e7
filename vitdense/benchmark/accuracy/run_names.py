"""What a user names as runs: work folders, checkpoints, files of results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitdense.preflight.trained import (
    checkpoint_of,
    config_of,
    is_work_folder,
)

FORMS = (
    'a work folder of tools/train.py, CONFIG.py:CHECKPOINT, '
    'NAME=RESULTS.json or NAME=FOLDER of label PNGs, with several seeds as '
    'NAME=FIRST,SECOND'
)


@dataclass(frozen=True)
class Results:
    """Predictions that are there, whoever made them.

    Attributes:
        path: COCO results, or a folder of label PNGs.
    """

    path: Path


@dataclass(frozen=True)
class Trained:
    """A checkpoint, whose predictions are to be made or kept already.

    Attributes:
        config: A file.
        checkpoint: A file, or a folder of parts.
        work_dir: Of its training, if that is what was named.
    """

    config: Path
    checkpoint: Path
    work_dir: Path | None = None


Named = Results | Trained


def read_names(runs: Sequence[str]) -> dict[str, list[Named]]:
    """The runs of each model, by its name.

    Raises:
        ValueError: If a run has no name and needs one, is nothing that can be
            scored, or has another's name.
        FileNotFoundError: If a file is not there.
    """
    models: dict[str, list[Named]] = {}
    for run in runs:
        name, equals, rest = run.partition('=')
        if not equals or Path(run).exists():
            name, rest = '', run
        if not rest or (equals and not name and not Path(run).exists()):
            raise ValueError(f'{run!r} names no run; write {FORMS}')
        found = [_read(each, name) for each in rest.split(',')]
        name = name or _name_of(run, found)
        if name in models:
            raise ValueError(f'{run!r}: the name {name!r} is another run too')
        models[name] = found
    return models


def _read(text: str, name: str) -> Named:
    config, is_config, checkpoint = text.partition('.py:')
    if is_config:
        for each in (f'{config}.py', checkpoint):
            if not Path(each).exists():
                raise FileNotFoundError(_absent(name or text, each))
        return Trained(Path(f'{config}.py'), Path(checkpoint))
    path = Path(text)
    if not path.exists():
        raise FileNotFoundError(_absent(name or text, text))
    if not is_work_folder(path):
        return Results(path)
    return Trained(config_of(path), checkpoint_of(path), path)


def _absent(name: str, path: str) -> str:
    return f'{name}: there is no {path!r}'


def _name_of(run: str, found: Sequence[Named]) -> str:
    """The name of what is named by itself alone."""
    first = found[0]
    if len(found) > 1 or isinstance(first, Results):
        raise ValueError(f'{run!r} names no run; write {FORMS}')
    if first.work_dir is not None:
        return first.work_dir.resolve().name
    return first.config.stem
