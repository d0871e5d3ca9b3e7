"""Statistics over all processes on CPUs, against PyTorch's BatchNorm."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from norm_results import CHANNELS, in_two, pictures, results
from processes import environment, free_port
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn

from vitdense.engine.sync_batch_norm import (
    CPUSyncBatchNorm,
    share_statistics_on_cpu,
)

FORMS = [
    {},
    {'momentum': None},
    {'affine': False},
    {'track_running_stats': False},
]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()
    gc.collect()  # or it would be in workers that are forked later


@pytest.mark.parametrize('form', FORMS)
def test_alone_it_is_a_batch_norm(group: None, form: dict) -> None:
    ours = results(CPUSyncBatchNorm(CHANNELS, **form), pictures(4))
    theirs = results(nn.BatchNorm2d(CHANNELS, **form), pictures(4))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(
            ours[name], value, rtol=1e-4, atol=1e-4, msg=name
        )


@pytest.mark.slow
def test_in_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    spawn(in_two, (free_port(), str(tmp_path)), nprocs=2)
    one, two = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    whole = results(nn.BatchNorm2d(CHANNELS), pictures(4))
    found = {name: value for name, value in one.items() if 'running' in name}
    for name in ('output', 'input.grad'):
        found[name] = torch.cat([one[name], two[name]])
    for name in ('weight.grad', 'bias.grad'):
        found[name] = one[name] + two[name]
    for name, value in found.items():
        torch.testing.assert_close(
            value, whole[name], rtol=1e-4, atol=1e-4, msg=name
        )
    assert torch.equal(one['running_var'], two['running_var'])


def test_mixed_precision(group: None) -> None:
    """Sums in float32, and the output as the input is."""
    ours, theirs = CPUSyncBatchNorm(CHANNELS), nn.BatchNorm2d(CHANNELS)
    images = pictures(4).bfloat16()
    output = ours(images)
    assert output.dtype == torch.bfloat16
    expected = theirs(images.float())
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.02)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_parameters_stay_the_same(group: None) -> None:
    norm = nn.SyncBatchNorm(CHANNELS, momentum=0.3)
    inner = nn.Sequential(norm)
    model = nn.Sequential(nn.Conv2d(3, CHANNELS, 1), inner).eval()
    share_statistics_on_cpu(model)
    ours = inner[0]
    assert isinstance(ours, CPUSyncBatchNorm)
    assert ours.weight is norm.weight
    assert ours.running_mean is norm.running_mean
    assert (ours.momentum, ours.training) == (0.3, False)


def test_one_value_a_channel_is_refused(group: None) -> None:
    norm = CPUSyncBatchNorm(CHANNELS)
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        norm(torch.randn(1, CHANNELS, 1, 1))
    with pytest.raises(ValueError, match=r'expected \(B, C, ...\)'):
        norm(torch.randn(CHANNELS))
