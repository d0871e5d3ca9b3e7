"""Data in an order that can be taken up anywhere, whoever loads it.

Every sample is loaded under random numbers of its own, seeded by the run's
seed, the epoch and the sample's place in the epoch's order. So a worker has no
state that would have to be saved, the number of workers changes nothing, and
a run that goes on in the middle of an epoch sees what it would have seen.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_dist_info
from torch.utils.data import DataLoader

from vitdense.engine.random_state import random_state_kept, seed_random


class Draw(int):
    """An index into a data set, with what seeds its random numbers."""

    seeds: tuple[int, ...]

    def __new__(cls, index: int, seeds: tuple[int, ...]) -> 'Draw':
        """A plain index for all who do not ask for the seeds."""
        draw = super().__new__(cls, index)
        draw.seeds = seeds
        return draw

    def __reduce__(self) -> tuple[Any, ...]:
        return Draw, (int(self), self.seeds)


class SeededSampler:
    """The indices of another sampler, each with seeds: a ``Draw``.

    Seeds are (seed, epoch, place): the place in the order of the whole epoch,
    which samplers deal out to the processes in turn. So they are the same
    whatever the number of processes, and copies of an index (repeated
    augmentation) differ. A sampler that is endless has an epoch each time it
    has been through the data set.

    Args:
        sampler: Gives indices. Others' attributes are found here too.
        seed: Of the run, the same in all processes.
    """

    def __init__(self, sampler: Any, seed: int) -> None:
        self.inner = sampler
        self.seed = seed
        self.epoch = 0

    def __getattr__(self, name: str) -> Any:
        if name == 'inner':  # asked for before it is set, as by pickle
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __len__(self) -> int:
        return len(self.inner)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins; the order of it is the sampler's."""
        self.epoch = epoch
        if hasattr(self.inner, 'set_epoch'):
            self.inner.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        rank, world_size = get_dist_info()
        endless = isinstance(self.inner, InfiniteSampler)
        if endless:
            # it goes on where any iterator before has stopped
            self.inner.indices = self.inner._indices_of_rank()
        for count, index in enumerate(self.inner):
            if not hasattr(index, '__index__'):
                yield index  # not of a data set of single pictures
                continue
            epoch, place = self.epoch, count * world_size + rank
            if endless:
                more, place = divmod(place, self.inner.size)
                epoch += more
            yield Draw(index, (self.seed, epoch, place))


class ResumableBatches:
    """The batches of a batch sampler, from any place on.

    Args:
        batches: Gives lists of indices, and has a ``sampler``.
        seed: Of the run, the same in all processes.
        endless: Whether epochs follow each other without end.
    """

    def __init__(self, batches: Any, seed: int, *, endless: bool) -> None:
        self.inner = batches
        self.sampler = SeededSampler(batches.sampler, seed)
        self.endless = endless
        self.start = 0
        batches.sampler = self.sampler

    @property
    def batch_size(self) -> Any:
        """How many samples a whole batch has, as the batch sampler tells."""
        return self.inner.batch_size

    def begin_at(self, epoch: int, batch: int) -> None:
        """Say where iterations begin from now on.

        Batches before are passed over by their indices; nothing is loaded.

        Args:
            epoch: The first epoch.
            batch: How many of its batches, and if endless of those of the
                epochs that follow, are done.
        """
        self.sampler.set_epoch(epoch)
        self.start = batch

    def __iter__(self) -> Iterator[list[Any]]:
        # a loader with workers asks for an iterator twice, and uses one
        return itertools.islice(self._batches(), self.start, None)

    def _batches(self) -> Iterator[list[Any]]:
        yield from self.inner
        while self.endless:
            self.sampler.set_epoch(self.sampler.epoch + 1)
            yield from self.inner

    def __len__(self) -> int:
        return len(self.inner)

    def state_dict(self) -> dict[str, Any]:
        """What the order depends on, apart from the place."""
        inner_seed = getattr(self.sampler.inner, 'seed', None)
        return {'seed': self.sampler.seed, 'sampler_seed': inner_seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the order of another run, before anything is drawn."""
        self.sampler.seed = state['seed']
        if state['sampler_seed'] is not None:
            self.sampler.inner.seed = state['sampler_seed']


class SeededItems:
    """Loads samples of a data set, each under the seeds of its ``Draw``.

    PyTorch's loader calls a data set's ``__getitems__`` with a batch of
    indices, in whichever process loads it. So the data set itself, which
    hooks and heads may look into, is left as it is.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __call__(self, indices: list[Any]) -> list[Any]:
        """Load a batch; outside of it no random number is drawn."""
        with random_state_kept():
            return [self._load(index) for index in indices]

    def _load(self, index: Any) -> Any:
        if isinstance(index, Draw):
            seed_random(*index.seeds)
            index = int(index)
        return self.dataset[index]


def resumable(
    loader: DataLoader[Any], seed: int, *, endless: bool
) -> DataLoader[Any]:
    """A loader of the same data, whose order can be taken up anywhere.

    Its ``batch_sampler`` is a ``ResumableBatches``.

    Args:
        loader: Made of a data set that is indexed.
        seed: Of the run, for a sampler that has none.
        endless: Whether epochs follow each other without end.

    Raises:
        TypeError: If its batches do not come from a sampler of indices, or
            its data set does not load its items one by one.
    """
    batches: Any = loader.batch_sampler
    if (
        not hasattr(batches, 'sampler')
        or not hasattr(loader.dataset, '__dict__')
        or hasattr(loader.dataset, '__getitems__')
    ):
        raise TypeError(
            f'{type(batches).__name__} of {type(loader.dataset).__name__} '
            'does not load single items by the indices of a sampler'
        )
    dataset: Any = loader.dataset
    dataset.__getitems__ = SeededItems(dataset)
    # the sampler's is the same in all processes, also where theirs differ
    own = getattr(batches.sampler, 'seed', None)
    seed = seed if own is None else own
    return DataLoader(
        dataset,
        batch_sampler=ResumableBatches(batches, seed, endless=endless),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        # workers are seeded by it; the run's own numbers are not used up
        generator=torch.Generator(),
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )
