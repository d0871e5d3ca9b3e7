"""Counts the images that loading has left out."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from vitdense.registry import HOOKS

NAME = 'broken_images.jsonl'


@HOOKS.register_module()
class BrokenImagesHook(Hook):
    """Lists at the end what ``skip_broken`` of LoadImageFromFile left out.

    Data loaders' workers and other processes write each to a file in the work
    folder, a line each time; it is there too if training does not end well.
    """

    def before_train(self, runner: Runner) -> None:
        """Tell transforms where to write, before workers copy them."""
        path = Path(runner.work_dir, NAME)
        if is_main_process() and not getattr(runner, '_resume', False):
            path.unlink(missing_ok=True)
        barrier()
        loader: Any = runner.train_dataloader
        for each in transforms(loader.dataset):
            if hasattr(each, 'broken_list'):
                each.broken_list = str(path)

    def after_train(self, runner: Runner) -> None:
        """Say which images were left out, and how often."""
        barrier()
        if is_main_process():
            path = Path(runner.work_dir, NAME)
            level = logging.WARNING if path.is_file() else logging.INFO
            runner.logger.log(level, summary(path))


def transforms(dataset: Any) -> Iterator[Any]:
    """The transforms of a data set and of those inside of it."""
    pipeline = getattr(dataset, 'pipeline', None)
    steps = getattr(pipeline, 'transforms', pipeline)
    yield from steps if isinstance(steps, list | tuple) else []
    inner = getattr(dataset, 'datasets', None)
    single = getattr(dataset, 'dataset', None)
    for each in [*(inner or []), *([single] if single else [])]:
        yield from transforms(each)


def summary(path: Path) -> str:
    """What a file of lines tells, in words."""
    if not path.is_file():
        return 'no broken images were met'
    lines = path.read_text().splitlines()
    faults = Counter(json.loads(line)['fault'] for line in lines)
    listed = ''.join(
        f'\n  {fault} ({count} times)' for fault, count in faults.items()
    )
    return f'{len(faults)} broken images were left out:{listed}'
