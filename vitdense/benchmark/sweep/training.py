"""The trainings of a sweep: what is left to do, and doing it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from vitdense.benchmark.accuracy.predict import check_finished
from vitdense.benchmark.accuracy.work_folder import last_checkpoint
from vitdense.benchmark.sweep.backbones import Backbone
from vitdense.benchmark.sweep.compose import compose
from vitdense.preflight.queued import queued_job

ROOT = Path(__file__).resolve().parents[3]  # the folder that holds tools
TRAIN = ROOT / 'tools' / 'train.py'


@dataclass(frozen=True)
class Training:
    """One run of a sweep.

    Attributes:
        backbone: Its name.
        seed: Of its random numbers.
        config: The file that it is run from.
        work_dir: Where it goes.
    """

    backbone: str
    seed: int
    config: Path
    work_dir: Path

    def is_done(self, options: Mapping[str, Any]) -> bool:
        """Whether it was trained to its end."""
        cfg = Config.fromfile(self.config)
        cfg.merge_from_dict(dict(options))
        try:
            check_finished(last_checkpoint(self.work_dir), cfg.train_cfg)
        except ValueError:
            return False
        return True

    def command(self, given: Sequence[str]) -> list[str]:
        """What trains it, or goes on with it."""
        return [
            *(sys.executable, str(TRAIN), str(self.config)),
            *('--work-dir', str(self.work_dir), '--resume', *given),
        ]


def plan(
    recipe: Path,
    backbones: Sequence[Backbone],
    seeds: int,
    work_dir: Path,
    options: Mapping[str, Any],
) -> list[Training]:
    """Write the configs of all runs, seed by seed of each backbone.

    Raises:
        ValueError: If one cannot be composed, or another sweep has written
            to the folder; before anything is written.
    """
    texts: dict[Training, str] = {}
    for backbone in backbones:
        for seed in range(seeds):
            name = f'{backbone.name}_seed{seed}'
            training = Training(
                backbone.name,
                seed,
                work_dir / 'configs' / f'{name}.py',
                work_dir / name,
            )
            texts[training] = compose(recipe, backbone, seed, options)
    for training, text in texts.items():
        path = training.config
        if path.is_file() and path.read_text() != text:
            raise ValueError(
                f'{str(path)!r} is of another sweep, with other settings than '
                'these; choose another --work-dir'
            )
    for training, text in texts.items():
        training.config.parent.mkdir(parents=True, exist_ok=True)
        training.config.write_text(text)
    return list(texts)


def train(
    trainings: Sequence[Training],
    options: Mapping[str, Any],
    given: Sequence[str],
    *,
    submit: Sequence[str] = (),
) -> Iterator[str]:
    """Train what is not trained yet, in turn, or queue it.

    Args:
        trainings: All runs.
        options: Settings that replace those of the configs.
        given: Options of ``tools/train.py``, those settings among them.
        submit: What its ``--submit`` takes; nothing trains here.

    Yields:
        What is begun, or was done or queued before.

    Raises:
        ValueError: If a training fails, which says why itself; if a job is to
            do what should be trained here, or that cannot be known.
    """
    if submit:
        given = [*given, '--submit', *submit]
    paths = [os.environ.get('PYTHONPATH', ''), str(ROOT)]
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
    }
    for index, each in enumerate(trainings):
        title = (
            f'[{index + 1}/{len(trainings)}] {each.backbone}, seed {each.seed}'
        )
        if each.is_done(options):
            yield f'{title}: trained already, in {each.work_dir}'
            continue
        if job := queued_job(each.work_dir):
            if not submit:
                raise ValueError(
                    f'{title}: job {job} trains it; the same command goes on '
                    f'when it has ended, also by scancel {job}'
                )
            yield f'{title}: queued already, as job {job}'
            continue
        yield title
        done = subprocess.run(  # noqa: S603, the user's own
            each.command(given), env=environment, check=False
        )
        if done.returncode:
            raise ValueError(
                f'{title}: tools/train.py ended with {done.returncode}; the '
                'same command goes on'
            )
