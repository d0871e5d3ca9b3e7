"""A training or testing that is settled: all that is left is to run it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from vitdense.checkpoint.whole_file import clear_up
from vitdense.engine.errors import Preempted, full_disk_stops
from vitdense.engine.processes import leave
from vitdense.engine.runner import (
    PreparedRunner,
    ignore_deprecations,
    runner_settings,
)
from vitdense.engine.work_folder import occupied
from vitdense.preflight.options import CommonOptions
from vitdense.preflight.readers import unread
from vitdense.preflight.resume import checkpoint_folders


@dataclass
class Prepared:
    """A run that can begin: nothing of it is written yet.

    Attributes:
        cfg: The config, with all options applied.
        options: What was asked.
        parts: What the Runner is given in place of settings.
        checkpoints: What was read, by the path it was read from.
        taken: What was taken of the weights it begins from; nothing if all
            was.
        summary: What is run on what, for people.
        records: What was logged so far.
        notes: What has to be said before the run begins.
    """

    cfg: Config
    options: CommonOptions
    parts: dict[str, Any] = field(default_factory=dict)
    checkpoints: dict[str, Any] = field(default_factory=dict)
    taken: str = ''
    summary: str = ''
    records: Sequence[Any] = ()
    notes: list[str] = field(default_factory=list)

    def train(self) -> None:
        """Train, alone in the work folder.

        Raises:
            FolderInUseError: If another run is writing there.
            TrainingStoppedError: If there is no room to write.
        """
        barrier()  # what is cleared up, no process still reads
        with ExitStack() as stack:
            for folder in checkpoint_folders(self.cfg):
                killed = stack.enter_context(occupied(str(folder)))
                if killed:
                    self.notes.append(f'a run was killed here: {killed}')
                left = clear_up(folder) if is_main_process() else []
                if left:
                    self.notes.append(f'removed {len(left)} unfinished files')
            preempted = None
            try:
                with full_disk_stops():
                    self.build_runner().train()
            except Preempted as error:
                # what its traceback holds would outlive the group
                preempted = error.with_traceback(None)
            if preempted is not None:
                leave()
                raise preempted
        self._end()

    def test(self) -> None:
        """Score the checkpoint."""
        self.build_runner().test()
        self._end()

    def _end(self) -> None:
        if is_main_process():
            print(f'work folder: {self.cfg.work_dir}')
        leave()

    def build_runner(self) -> Runner:
        """Build mmengine's Runner; this makes the work folder."""
        ignore_deprecations()
        if 'runner_type' in self.cfg:
            runner: Runner = RUNNERS.build(self.cfg)
            return runner
        runner = PreparedRunner(
            checkpoints=self.checkpoints,
            show_settings=self.options.show_settings,
            hidden=unread(self.cfg),
            **{**runner_settings(self.cfg), **self.parts},
            cfg=self.cfg,
        )
        for record in self.records:
            runner.log_unseen(record)
        for note in self.notes:
            runner.logger.warning(note)
        runner.logger.info(self.summary)
        if runner.rank == 0:
            print(f'{self.summary}\n  log        {runner.logger.log_file}')
        return runner
