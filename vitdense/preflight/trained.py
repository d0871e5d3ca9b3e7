"""What a training has left in its work folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# written by vitdense.engine.checkpoint_hook
LAST = 'last_checkpoint'


def is_work_folder(path: Path) -> bool:
    """Whether a training has written to a folder."""
    return path.is_dir() and bool(_configs(path) or (path / LAST).exists())


def _configs(work_dir: Path) -> list[Path]:
    return sorted(work_dir.glob('*.py'))


def named_or_left(
    named: Sequence[str], work_dir: Path | None, others: str
) -> tuple[Path, Path, list[str]]:
    """Config, checkpoint and what else a command line names.

    Args:
        named: Config, checkpoint and others; only others with a work folder.
        work_dir: That a training has left; None without.
        others: What they are called.

    Raises:
        FileNotFoundError: If it is no work folder.
        ValueError: If something is not named.
    """
    if work_dir is not None:
        if not is_work_folder(work_dir):
            raise FileNotFoundError(
                f'--from {str(work_dir)!r} is no work folder of tools/train.py'
            )
        return config_of(work_dir), checkpoint_of(work_dir), list(named)
    if len(named) < 3:
        raise ValueError(
            f'name CONFIG, CHECKPOINT and an {others}, or --from WORK_DIR and '
            f'an {others}'
        )
    config, checkpoint, *rest = named
    return Path(config), Path(checkpoint), rest


def config_of(work_dir: Path) -> Path:
    """The config that a training has left in its work folder.

    Raises:
        ValueError: If there is none, or several.
    """
    configs = _configs(work_dir)
    if len(configs) != 1:
        names = [each.name for each in configs]
        raise ValueError(
            f'{str(work_dir)!r} has {names or "no config"}, where a training '
            'leaves its config; name config and checkpoint'
        )
    return configs[0]


def checkpoint_of(work_dir: Path) -> Path:
    """The checkpoint of a work folder that scored best, else the last one.

    Raises:
        ValueError: If there is none yet, or several scored best.
    """
    best = sorted(work_dir.glob('best_*'))
    if len(best) > 1:
        raise ValueError(
            f'{str(work_dir)!r} has {[each.name for each in best]}; name '
            'config and checkpoint'
        )
    return best[0] if best else last_checkpoint(work_dir)


def last_checkpoint(work_dir: Path) -> Path:
    """The checkpoint that a training wrote last.

    Raises:
        ValueError: If there is none.
    """
    named = work_dir / LAST
    if named.is_file():
        # a path that is not relative stays what it is
        path = work_dir / named.read_text().strip()
        # a work folder may have been moved since
        for each in (path, work_dir / path.name):
            if each.exists():
                return each
    raise ValueError(
        f'{str(work_dir)!r} has no checkpoint, so its training has not got '
        'so far; go on with tools/train.py, or name config and checkpoint'
    )


def curves(work_dir: Path) -> tuple[tuple[int, str, float], ...]:
    """What a training has logged: step, name and value, by step.

    Of a step that was done twice, because the training was resumed, the
    later one counts. Scores have the step that they were taken after, as far
    as it was logged.
    """
    found: dict[tuple[int, str], float] = {}
    ends: dict[int, int] = {}  # the last step of each epoch
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        step = None
        for line in _lines(path):
            if 'iter' in line:
                step = int(line['step'])
                if 'epoch' in line:
                    ends[line['epoch']] = step
            elif step is None:
                step = _evaluated_first(int(line['step']), ends)
            for name, value in line.items():
                if name not in ('step', 'iter') and isinstance(
                    value, int | float
                ):
                    found[step, name] = float(value)
    return tuple((*key, found[key]) for key in sorted(found))


def _evaluated_first(told: int, ends: Mapping[int, int]) -> int:
    """The step of an evaluation that a resumed training begins with.

    Args:
        told: What its line has as the step; where training is counted in
            epochs, mmengine counts these there.
        ends: Steps that were logged last before it, by epoch.
    """
    return max((ends[epoch] for epoch in ends if epoch <= told), default=told)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a log; what a killed run wrote last may be cut off."""
    for line in path.read_text().splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and 'step' in content:
            yield content
