"""Checkpoints that are whole, and hold all that a run goes on from."""

import re
import time
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from vitdense.checkpoint.base import leave_out_bases
from vitdense.checkpoint.reading.digest import CONTENT_SHA256, digest_content
from vitdense.checkpoint.sharded import without_sharded
from vitdense.checkpoint.whole_file import remove, whole_file
from vitdense.engine.errors import TrainingStoppedError
from vitdense.engine.rank_state import (
    agreed,
    bare_model,
    gather_rank_states,
)
from vitdense.engine.run_identity import MAX_SHOWN, differences, identity_of
from vitdense.engine.sharding import is_sharded
from vitdense.engine.whole_backend import NAME as WHOLE
from vitdense.registry import HOOKS

UNITS_S = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
LAST = 'last_checkpoint'
# What of a checkpoint may be in parts, which the run writes beside it.
SHARDED = frozenset({'state_dict', 'optimizer'})
# Of the checkpoints that are no epoch's and no interval's, so many stay: the
# last, and the one that is there while the last is being written.
KEPT_BETWEEN = 2


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` for runs that get killed and go on.

    A checkpoint is written beside its name, to the disk, and renamed; only
    then ``last_checkpoint`` names it, relative to its own folder, and what is
    outdated is removed. It holds what was trained: where a backbone's ``tune``
    keeps weights as ``init_cfg`` loads them, their digest stands for them.
    It holds a digest of its content, and what the loops
    of ``vitdense.engine.loops`` go on from, so that a resumed run ends as if
    it had never been interrupted. Before an evaluation it saves too, unless
    this place is saved already, so that the evaluation can be left.

    Args:
        save_every: Time between two checkpoints, beside ``interval``: seconds
            or a text such as ``'10m'`` (s, m, h or d); None for never. They
            are named after their iteration, and the last two are kept.
        save_base: Whether checkpoints hold, too, what ``tune`` keeps.
        settings: The arguments of mmengine's hook.

    Raises:
        TypeError: If mmengine's hook has no such argument.
        ValueError: If ``save_every`` is no length of time, or ``save_base``
            neither True nor False.
    """

    # after whatever else a step or an evaluation changes
    priority = 'LOWEST'

    def __init__(
        self,
        *,
        save_every: str | float | None = None,
        save_base: bool = False,
        **settings: Any,
    ) -> None:
        remote = '://' in str(settings.get('out_dir'))
        if not remote and settings.get('file_client_args') is None:
            settings['backend_args'] = {
                'backend': WHOLE,
                **(settings.get('backend_args') or {}),
            }
        super().__init__(**settings)
        if self.args:
            raise TypeError(
                f'default_hooks.checkpoint takes no {sorted(self.args)}'
            )
        self.save_every_s = seconds(save_every)
        if not isinstance(save_base, bool):
            raise ValueError(f'save_base={save_base!r} is not True or False')
        self.save_base = save_base
        self._bases: dict[str, str] = {}
        self.saved_at: int | None = None
        self._between: list[str] = []
        self._states: list[dict[str, Any]] | None = None
        self._identity: dict[str, Any] | None = None

    def before_train(self, runner: Runner) -> None:
        """Begin to count the time; find what an earlier run has left."""
        hub = runner.message_hub
        for key, path in hub.runtime_info.items():
            if key.startswith('best_ckpt') and path:
                # the work folder may have been moved since
                folder = Path(self.out_dir or runner.work_dir)
                hub.update_info(key, str(folder / Path(path).name))
        super().before_train(runner)
        if 'between_ckpts' in hub.runtime_info:
            self._between = list(hub.get_info('between_ckpts'))
        self._saved_s = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Save if an interval ends or the time is up."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.save_every_s is not None:
            waited_s = time.monotonic() - self._saved_s
            # clocks differ, so the first process's counts
            due = is_main_process() and waited_s >= self.save_every_s
            if agreed(due):
                self.save_between(runner, runner.iter + 1)

    def before_validation(self, runner: Runner) -> None:
        """Save, so that the evaluation can be left at any time."""
        self.save_between(runner, runner.iter)

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add what a run goes on from, and a digest of all."""
        if self._states is not None:
            loop: Any = runner.train_loop
            known = hasattr(loop, 'state_dict')
            if self._identity is None:
                # once: it reads all annotations, which do not change
                self._identity = identity_of(runner)
            checkpoint['resume'] = {
                'loop': loop.state_dict() if known else None,
                'ranks': self._states,
                'identity': self._identity,
            }
        model = bare_model(runner)
        if is_sharded(model):
            for name in SHARDED.intersection(checkpoint):
                checkpoint[name] = without_sharded(checkpoint[name])
        elif not self.save_base and 'ema_state_dict' not in checkpoint:
            leave_out_bases(model, checkpoint['state_dict'], self._bases)
        checkpoint[CONTENT_SHA256] = digest_content(checkpoint)

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Hand a resumed run its state, and name what has changed since."""
        if not runner._resume:
            return
        self.saved_at = checkpoint['meta']['iter']
        loop: Any = runner.train_loop
        state = checkpoint.get('resume')
        if state is None or not hasattr(loop, 'load_state_dict'):
            runner.logger.warning(
                'resuming will not be exact: '
                + (
                    'the checkpoint holds no place in the data'
                    if state is None
                    else f'{type(loop).__name__} cannot go on in an epoch'
                )
            )
            return
        loop.load_state_dict(state)
        changed = differences(state['identity'], identity_of(runner))
        for each in changed[:MAX_SHOWN]:
            runner.logger.warning(f'changed since the checkpoint: {each}')
        if changed:
            runner.logger.warning(
                f'resuming will not be exact: {len(changed)} changes since '
                'the checkpoint'
            )

    def save_between(self, runner: Runner, steps: int) -> None:
        """Save at a place that no interval names, unless it is saved.

        Args:
            runner: The run.
            steps: How many steps it has done.
        """
        if self.saved_at == steps:
            return
        name = f'iter_{steps}.pth'
        names = [*(each for each in self._between if each != name), name]
        outdated, self._between = names[:-KEPT_BETWEEN], names[-KEPT_BETWEEN:]
        runner.message_hub.update_info('between_ckpts', list(self._between))
        meta = {'epoch': runner.epoch, 'iter': steps}
        self._write(runner, name, meta, outdated)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict[str, Any]
    ) -> None:
        outdated = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                oldest = self.keep_ckpt_ids.popleft()
                outdated = [self.filename_tmpl.format(oldest)]
            self.keep_ckpt_ids.append(step)
            kept = list(self.keep_ckpt_ids)
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        name = self.filename_tmpl.format(step)
        # an interval's now, which stays
        self._between = [each for each in self._between if each != name]
        self._write(runner, name, meta, outdated)

    def _write(
        self,
        runner: Runner,
        name: str,
        meta: dict[str, Any],
        outdated: list[str],
    ) -> None:
        """Write a checkpoint and, once it is safe, remove outdated ones."""
        self.last_ckpt = self._path(name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._states = gather_rank_states(runner)
        try:
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
            )
            if is_main_process():
                self._name_last(Path(runner.work_dir))
        except OSError as error:
            raise _cannot_write(repr(self.last_ckpt), error) from error
        finally:
            self._states = None
        self.saved_at = meta['iter']
        self._saved_s = time.monotonic()
        for each in outdated:
            self._remove(self._path(each))

    def _name_last(self, work_dir: Path) -> None:
        """Name the checkpoint, relative to the file that names it."""
        path = Path(str(self.last_ckpt))
        inside = path.is_relative_to(work_dir)
        with whole_file(work_dir / LAST) as part:
            part.write_text(
                str(path.relative_to(work_dir) if inside else path)
            )

    def _save_best_checkpoint(
        self, runner: Runner, metrics: dict[str, float]
    ) -> None:
        """Save what scores best; the one before goes after, not before."""
        before = self._best()
        self._set_best(dict.fromkeys(before))
        try:
            super()._save_best_checkpoint(runner, metrics)
        except OSError as error:
            raise _cannot_write('of the best score', error) from error
        now = self._best()
        self._set_best({key: now[key] or before[key] for key in before})
        for key, path in before.items():
            if path and now[key] and now[key] != path:
                self._remove(path)

    def _best(self) -> dict[str, str | None]:
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best(self, paths: dict[str, str | None]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        elif paths:
            self.best_ckpt_path_dict = paths

    def _path(self, name: str) -> str:
        path: str = self.file_backend.join_path(self.out_dir, name)
        return path

    def _remove(self, path: str) -> None:
        if not is_main_process():
            return
        if Path(path).is_dir():  # of a model in parts
            remove(Path(path))
        elif self.file_backend.isfile(path):
            self.file_backend.remove(path)


def _cannot_write(what: str, error: OSError) -> TrainingStoppedError:
    return TrainingStoppedError(
        f'cannot write the checkpoint {what} ({error.strerror or error}); '
        'any before are whole, and --resume goes on from the last of them'
    )


def seconds(length: str | float | None) -> float | None:
    """A length of time in seconds, from a number or a text such as '10m'.

    Raises:
        ValueError: If it is none, or not above zero.
    """
    if length is None:
        return None
    found = re.fullmatch(r'(\d+(?:\.\d+)?)([smhd]?)', str(length).strip())
    value = float(found[1]) * UNITS_S[found[2] or 's'] if found else 0.0
    if value <= 0:
        raise ValueError(
            f'save_every={length!r} is no length of time; choose a number '
            "with one of ['s', 'm', 'h', 'd'], such as '10m'"
        )
    return value
