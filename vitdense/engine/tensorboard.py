"""TensorBoard's curves, which stay whole where a training is resumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import TensorboardVisBackend

from vitdense.registry import HOOKS, VISBACKENDS

FOLDER = 'tensorboard'
# both of a training step and of an evaluation
TIMES = ('time', 'data_time')


@VISBACKENDS.register_module()
class ResumableTensorboardVisBackend(TensorboardVisBackend):
    """``TensorboardVisBackend`` with one curve for all of a training.

    What is logged stands at the training step that it was logged after,
    scores too. mmengine's has another folder for each start, which shows
    twice what a resumed training does again, and counts epochs in the curves
    of scores. Times of evaluations are named ``val/time`` and
    ``val/data_time``.

    It writes in trainings alone, from where ``ResumableTensorboardHook``
    lets it begin.
    """

    # after so many steps the evaluation is done that scores are of
    evaluated_after = 0

    def _init_env(self) -> None:
        """Nothing yet: `begin` does it."""
        self._tensorboard: Any = None
        self._config: Config | None = None

    def begin(self, folder: Path, step: int) -> None:
        """Write to ``folder`` from the step after ``step`` on.

        What was written of later steps is taken back.

        Args:
            folder: Where TensorBoard's files are.
            step: How many steps are done; those of a resumed training.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._begun_at, self._written = step, _tags_at(folder, step)
        self.experiment  # noqa: B018 - so that it is initialised
        self._tensorboard = SummaryWriter(str(folder), purge_step=step + 1)
        if self._config is not None:
            super().add_config(self._config)

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Keep the config until the training begins."""
        self.experiment  # noqa: B018
        self._config = config

    def add_image(self, *args: Any, **kwargs: Any) -> None:
        """Write a picture."""
        if self.experiment is not None:
            super().add_image(*args, **kwargs)

    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write what was logged after a step, or after an evaluation."""
        if self.experiment is None:
            return
        trained = 'iter' in scalar_dict
        if not trained:
            step = self.evaluated_after  # in place of an epoch
        for name, value in scalar_dict.items():
            tag = f'val/{name}' if name in TIMES and not trained else name
            seen = step == self._begun_at and tag in self._written
            if name != 'iter' and not seen:
                self.add_scalar(tag, value, step)
        # what is not flushed is lost with a run that is killed
        self._tensorboard.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if getattr(self, '_tensorboard', None) is not None:
            super().close()


def _tags_at(folder: Path, step: int) -> set[str]:
    """What TensorBoard's files have of a step.

    An evaluation is done again if it is not known to have ended.
    """
    if not folder.is_dir():
        return set()
    from tensorboard.backend.event_processing.event_accumulator import (
        SCALARS,
        EventAccumulator,
    )

    all_of_them = {SCALARS: 0}
    read = EventAccumulator(str(folder), all_of_them).Reload()
    return {
        tag
        for tag in read.Tags()[SCALARS]
        if any(event.step == step for event in read.Scalars(tag))
    }


@HOOKS.register_module()
class ResumableTensorboardHook(Hook):
    """Tells ``ResumableTensorboardVisBackend`` which step it is."""

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Begin, or go on from the step that is resumed."""
        _backend(runner).begin(Path(runner.work_dir, FOLDER), runner.iter)

    @master_only
    def before_val_epoch(self, runner: Runner) -> None:
        """Note the step that scores will be of."""
        _backend(runner).evaluated_after = runner.iter


def _backend(runner: Runner) -> ResumableTensorboardVisBackend:
    name = ResumableTensorboardVisBackend.__name__
    found: ResumableTensorboardVisBackend = runner.visualizer.get_backend(name)
    return found
