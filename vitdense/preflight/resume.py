"""Which checkpoint a run begins or goes on from."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.sharded import is_checkpoint
from vitdense.checkpoint.whole_file import left_aside
from vitdense.engine.checkpoint_hook import LAST
from vitdense.preflight.model import check_exists, read_checkpoint
from vitdense.preflight.options import TrainOptions


def set_init_from(cfg: Config, options: TrainOptions) -> None:
    """Begin from the weights that are named, in place of the config's.

    Raises:
        ValueError: If a checkpoint to resume is named too, or only what the
            classes of none are.
        FileNotFoundError: If there is no such file.
    """
    if options.init_from is None:
        if options.classes_of_checkpoint and not cfg.get('load_from'):
            raise ValueError(
                '--classes-of-checkpoint: there is no checkpoint to begin '
                'from; name one with --init-from'
            )
        return
    if options.resume not in (None, 'auto'):
        raise ValueError(
            f'--init-from {options.init_from!r} begins a training and '
            f'--resume {options.resume!r} goes on with one; choose one'
        )
    check_exists(options.init_from)
    cfg.load_from = options.init_from
    cfg.resume = False


_BRACES, _NUMBER = re.escape('{}'), r'\d+'


def checkpoints_to_begin_from(cfg: Config, resume: str | None) -> list[str]:
    """Files to begin from: the first, or the next one where it is broken.

    Args:
        cfg: Changed in place: it says whether the run is resumed.
        resume: A checkpoint to go on from, ``'auto'`` for the work folder's
            latest, or None to do what the config says. Where ``'auto'``
            finds nothing the run begins, as a job does that is queued again
            before it has saved.

    Raises:
        FileNotFoundError: If a file that is named is not there.
    """
    named = resume if resume not in (None, 'auto') else cfg.get('load_from')
    automatic = resume == 'auto' or (cfg.get('resume') and not named)
    if automatic:
        found = checkpoints_of(cfg)
        cfg.resume = bool(found)
        if found:
            return found
    elif resume is not None:
        if not is_checkpoint(Path(resume)):
            raise FileNotFoundError(f'--resume: no checkpoint at {resume!r}')
        cfg.resume = True
    if named:
        check_exists(named)
    return [named] if named else []


def checkpoint_folders(cfg: Config) -> list[Path]:
    """Where a training writes: the work folder and, where its checkpoints
    have a folder of their own (``out_dir``), that one."""
    work_dir = Path(cfg.work_dir)
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    out_dir = hook.get('out_dir')
    if out_dir is None or '://' in str(out_dir):
        return [work_dir]
    return [work_dir, Path(out_dir, work_dir.name)]


def checkpoints_of(cfg: Config) -> list[str]:
    """Checkpoints of a training, the latest first.

    What else lies there, such as weights that somebody has copied, is none
    to go on from.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    own = re.escape(hook.get('filename_tmpl') or 'epoch_{}.pth')
    written = re.compile(rf'iter_\d+\.pth|{own.replace(_BRACES, _NUMBER)}')
    places = {
        name: path
        for folder in checkpoint_folders(cfg)
        for name, path in (
            *((path, path) for path in folder.glob('*')),
            *left_aside(folder).items(),
        )
    }
    found = sorted(
        (
            path
            for name, path in places.items()
            if written.fullmatch(name.name)
        ),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    if Path(cfg.work_dir, LAST).is_file():
        last = Path(str(find_latest_checkpoint(cfg.work_dir)))
        last = places.get(last, last)
        if last.exists():
            found = [last, *(path for path in found if path != last)]
    return [str(path) for path in found]


def saved_since(cfg: Config, moment_s: float) -> bool:
    """Whether a training has saved since then, in seconds as files have it."""
    found = checkpoints_of(cfg)
    return bool(found) and Path(found[0]).stat().st_mtime > moment_s


def read_first_whole(sources: Sequence[str]) -> tuple[str, Any, list[str]]:
    """Read the first checkpoint that is whole.

    Args:
        sources: At least one.

    Returns:
        Which it is, its content, and what is said of those before it.

    Raises:
        ValueError: If none is whole.
    """
    broken: list[str] = []
    for source in sources:
        try:
            return source, read_checkpoint(source), broken
        except CheckpointError as error:
            if len(sources) == 1:
                raise
            broken.append(str(error))
    raise ValueError(
        f'--resume: none of {len(sources)} checkpoints is whole: '
        + '; '.join(broken)
    )
