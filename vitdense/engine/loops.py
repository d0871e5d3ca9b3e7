"""mmengine's training loops, able to go on from any step.

A checkpoint of ``SafeCheckpointHook`` holds what they go on from: the place
in the data, what its order depends on, and whether the evaluation that was
due at that place had been done.
"""

from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn

from vitdense.engine.random_state import RandomState, random_state_kept
from vitdense.engine.rank_state import load_rank_states
from vitdense.engine.sampling import ResumableBatches, resumable
from vitdense.registry import LOOPS


class _Resumable:
    """What the two loops have in common."""

    runner: Any
    dataloader: Any
    _iter: int
    # batches done of the epoch; of all epochs where they follow without end
    _batch = 0
    # whether the evaluation due after the last step has begun
    _validated = False
    _resumed: dict[str, Any] | None = None
    # the training's own, while an evaluation draws others
    kept_random: RandomState | None = None

    def state_dict(self) -> dict[str, Any]:
        """The place in the data, for a checkpoint."""
        state: dict[str, Any] = {'validated': self._validated}
        if self._batches is not None:
            state['order'] = self._batches.state_dict()
            state['images'] = self._batch * self.images_in_step
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take another run's place, once this run begins.

        Args:
            state: ``'loop'``, of ``state_dict``, and ``'ranks'``, of
                ``gather_rank_states``.
        """
        self._resumed = state

    @property
    def images_in_step(self) -> int:
        """Images of one step, in all processes."""
        size = self.dataloader.batch_sampler.batch_size
        # mmdet's batches of several sources tell how many of each
        whole: int = size if isinstance(size, int) else sum(size)
        return whole * get_world_size()

    @property
    def _batches(self) -> ResumableBatches | None:
        """The order of the data; None if it cannot be taken up anywhere."""
        found = self.dataloader.batch_sampler
        return found if isinstance(found, ResumableBatches) else None

    def _make_resumable(self, *, endless: bool) -> None:
        try:
            self.dataloader = resumable(
                self.dataloader, self.runner.seed, endless=endless
            )
        except TypeError as error:
            self.runner.logger.warning(
                f'resuming will not be exact, but begin the epoch anew: '
                f'{error}'
            )

    def _go_on(self) -> None:
        """Take the place, order and random numbers of a checkpoint."""
        state, self._resumed = self._resumed, None
        if state is None:
            return
        place = state['loop']
        if self._batches is not None and 'order' in place:
            self._batches.load_state_dict(place['order'])
            self._batch = place['images'] // self.images_in_step
        self._count_accumulated()
        load_rank_states(self.runner, state['ranks'])
        if not place['validated']:
            self._validate_if_due()

    def _count_accumulated(self) -> None:
        """Let the optimizer count steps from the first one of the run.

        mmengine counts from the step that is resumed, and so weighs the
        last, incomplete accumulation otherwise. Several optimizers count
        for themselves.
        """
        wrapper, model = self.runner.optim_wrapper, self.runner.model
        wrapper.initialize_count_status(model, 0, self.runner.max_iters)
        wrapper._inner_count = self._iter

    def _validate_if_due(self) -> None:
        """Evaluate if it is time; what follows is as if it had not been."""
        self._decide_current_val_interval()  # type: ignore[attr-defined]
        if self.runner.val_loop is None or not self._validation_is_due():
            return
        # no hook of mmengine's: this one precedes swaps of averaged weights
        self.runner.call_hook('before_validation')
        self._validated = True
        with random_state_kept() as self.kept_random:
            self.runner.val_loop.run()
        self.kept_random = None

    def _validation_is_due(self) -> bool:
        raise NotImplementedError


@LOOPS.register_module()
class ResumableEpochLoop(_Resumable, EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that goes on in the middle of an epoch.

    Arguments are those of mmengine's loop.
    """

    def run(self) -> nn.Module:
        """Train, from the place of a checkpoint if one is resumed."""
        self._make_resumable(endless=False)
        self.runner.call_hook('before_train')
        self._go_on()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due()
        self.runner.call_hook('after_train')
        model: nn.Module = self.runner.model
        return model

    def run_epoch(self) -> None:
        """Train for what is left of an epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if self._batches is not None:
            self._batches.begin_at(self._epoch, self._batch)
        for index, data_batch in enumerate(self.dataloader, self._batch):
            self._batch = index + 1
            self._validated = False
            self.run_iter(index, data_batch)
        self._batch = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validation_is_due(self) -> bool:
        epoch, last = self._epoch, self._epoch == self._max_epochs
        whole = self._batch == 0 and epoch >= self.val_begin
        return whole and (epoch % self.val_interval == 0 or last)


@LOOPS.register_module()
class ResumableIterLoop(_Resumable, IterBasedTrainLoop):
    """``IterBasedTrainLoop`` that goes on without loading what it has seen.

    Arguments are those of mmengine's loop.
    """

    def run(self) -> nn.Module:
        """Train, from the place of a checkpoint if one is resumed."""
        self._make_resumable(endless=True)
        self.runner.call_hook('before_train')
        # all of the training is one epoch to hooks, as in mmengine
        self.runner.call_hook('before_train_epoch')
        self._go_on()
        if self._batches is not None:
            self._batches.begin_at(0, self._batch)
            self.dataloader_iterator = iter(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            data_batch = next(self.dataloader_iterator)
            self._batch += 1
            self._validated = False
            self.run_iter(data_batch)
            self._validate_if_due()
        # ends the workers, which would load for ever
        self.dataloader_iterator = None
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        model: nn.Module = self.runner.model
        return model

    def _validation_is_due(self) -> bool:
        done, last = self._iter, self._iter == self._max_iters
        return done >= self.val_begin and (
            done % self.val_interval == 0 or last
        )
