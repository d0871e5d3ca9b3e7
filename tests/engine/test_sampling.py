"""The order of data can be taken up anywhere, whoever loads it."""

import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, Dataset

from vitdense.engine import sampling
from vitdense.engine.random_state import random_state
from vitdense.engine.sampling import Draw, ResumableBatches, resumable


class Noise(Dataset[Any]):
    """Gives an index with a random number of each kind."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[float, ...]:
        drawn = random.random(), np.random.rand(), torch.rand(()).item()
        return (index, *drawn)


def loader(workers: int = 0, sampler: Any = None) -> DataLoader[Any]:
    dataset = Noise()
    sampler = sampler or DefaultSampler(dataset, seed=5)
    return DataLoader(
        dataset,
        batch_size=3,
        sampler=sampler,
        num_workers=workers,
        collate_fn=list,
        persistent_workers=workers > 0,
    )


def epoch_of(made: DataLoader[Any], epoch: int, batch: int = 0) -> list[Any]:
    order: Any = made.batch_sampler
    order.begin_at(epoch, batch)
    return list(made)


@pytest.mark.parametrize('workers', [0, 2])
def test_goes_on_in_an_epoch(workers: int) -> None:
    whole = resumable(loader(), 0, endless=False)
    resumed = resumable(loader(workers), 0, endless=False)
    assert epoch_of(resumed, 1, 2) == epoch_of(whole, 1)[2:]
    assert epoch_of(resumed, 2) == epoch_of(whole, 2)
    assert len(resumed) == len(whole) == 4


def test_epochs_differ() -> None:
    made = resumable(loader(), 0, endless=False)
    first, second = (
        {row[0]: row[1:] for batch in epoch_of(made, epoch) for row in batch}
        for epoch in (0, 1)
    )
    assert first.keys() == second.keys() == set(range(10))
    assert all(first[index] != second[index] for index in first)


def test_endless_goes_through_epochs() -> None:
    made = resumable(loader(), 0, endless=True)
    order: Any = made.batch_sampler
    order.begin_at(0, 0)
    rows = iter(made)
    long = [next(rows) for _ in range(9)]
    finite = resumable(loader(), 0, endless=False)
    assert long[:8] == epoch_of(finite, 0) + epoch_of(finite, 1)
    order.begin_at(0, 6)
    assert next(iter(made)) == long[6]


def test_infinite_sampler_counts_epochs() -> None:
    sampler = InfiniteSampler(Noise(), shuffle=False)
    batches = ResumableBatches(
        BatchSampler(sampler, 5, drop_last=False), 7, endless=True
    )
    rows = iter(batches)
    seeds = [draw.seeds for _ in range(4) for draw in next(rows)]
    assert seeds[:2] == [(7, 0, 0), (7, 0, 1)]
    assert seeds[10:12] == [(7, 1, 0), (7, 1, 1)]


class Copies:
    """Ten images, three times each, dealt out to two processes."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __iter__(self) -> Iterator[int]:
        return iter([i for i in range(10) for _ in range(3)][self.rank :: 2])


def test_copies_have_seeds_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[tuple[int, ...]] = []
    for rank in range(2):
        monkeypatch.setattr(sampling, 'get_dist_info', lambda r=rank: (r, 2))
        batches = ResumableBatches(
            BatchSampler(Copies(rank), 5, drop_last=False),
            7,
            endless=False,
        )
        seeds += [draw.seeds for batch in batches for draw in batch]
    assert sorted(seeds) == [(7, 0, place) for place in range(30)]


def test_loading_draws_nothing_outside() -> None:
    made = resumable(loader(), 0, endless=False)
    before = random_state()
    epoch_of(made, 0)
    after = random_state()
    assert before['python'] == after['python']
    assert torch.equal(before['torch'], after['torch'])
    assert torch.equal(before['numpy'][1], after['numpy'][1])


def test_seeds_survive_pickling() -> None:
    draw = pickle.loads(pickle.dumps(Draw(4, (1, 2, 4))))
    assert (draw, draw.seeds) == (4, (1, 2, 4))


def test_seed_of_a_checkpoint_is_taken() -> None:
    other = resumable(
        loader(sampler=DefaultSampler(Noise(), seed=6)), 0, endless=False
    )
    first = resumable(loader(), 0, endless=False)
    order, theirs = other.batch_sampler, first.batch_sampler
    assert isinstance(order, ResumableBatches)
    assert isinstance(theirs, ResumableBatches)
    assert epoch_of(other, 0) != epoch_of(first, 0)
    order.load_state_dict(theirs.state_dict())
    assert epoch_of(other, 0) == epoch_of(first, 0)


def test_refuses_batches_without_a_sampler() -> None:
    batches: Any = [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match='list of Noise does not load'):
        resumable(DataLoader(Noise(), batch_sampler=batches), 0, endless=False)
