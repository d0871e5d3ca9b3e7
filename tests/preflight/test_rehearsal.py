"""The batch that is tried before a run."""

from typing import Any

import pytest
from torch import nn
from torch.utils.data import DataLoader

from vitdense.preflight.rehearsal import Rehearsal


class Model(nn.Module):
    """Passes; what its work comes to is known later."""

    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = nn.Identity()

    def val_step(self, batch: Any) -> None:
        self.data_preprocessor(batch)


def test_faults_of_a_device_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CUDA reports a bad label when the host next waits, maybe in the run."""

    def report() -> None:
        raise RuntimeError('device-side assert triggered')

    monkeypatch.setattr('torch.cuda.synchronize', report)
    numbers: Any = range(4)
    loader: Any = DataLoader(numbers, batch_size=2)
    rehearsal = object.__new__(Rehearsal)
    for name, value in {
        'model': Model(),
        '_val_dataloader': loader,
        'optim_wrapper': None,
    }.items():
        setattr(rehearsal, name, value)
    sampler = 'vitdense.preflight.rehearsal.INDEPENDENT'
    monkeypatch.setattr(sampler, (type(loader.batch_sampler.sampler),))
    rehearsal.try_step('val')  # the CPU has reported already
    device = 'vitdense.preflight.rehearsal.get_device'
    monkeypatch.setattr(device, lambda: 'cuda')
    with pytest.raises(ValueError, match=r'val_dataloader: .* device-side'):
        rehearsal.try_step('val')
