"""A worker's answers, without a process of its own."""

import io
import json
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import nn

from vitdense.benchmark.cost.settings import DTYPES, Settings
from vitdense.benchmark.cost.worker_process import (
    WorkerSession,
    describe,
    serve,
)

TINY = (
    'vitdense.PVT{"arch": {"design": "v1", "dims": [8, 8], "depths": [1, 1],'
    ' "heads": [1, 1], "mlp_ratios": [2, 2], "reductions": [2, 1]}}'
)


def answers_to(settings: Settings, *requests: dict[str, Any]) -> list[Any]:
    lines = [json.dumps(r) for r in (asdict(settings), *requests)]
    answers = io.StringIO()
    serve(lines, answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_session() -> None:
    settings = Settings(height=32, width=40, batch=2)
    started, built, memory, macs, *times, deviation = answers_to(
        settings,
        dict(command='build', workload='backbone', name=TINY),
        dict(command='memory'),
        dict(command='macs'),
        dict(command='time', mode='forward'),
        dict(command='time', mode='forward_backward'),
        dict(command='deviation'),
    )
    assert started == {'result': None}
    assert built['result'] > 0
    assert 0 < memory['result']['held'] <= memory['result']['peak']
    assert macs['result'] > 0
    assert all(time['result'] > 0 for time in times)
    assert deviation['result'] < 1e-5


def test_errors_leave_the_session_running() -> None:
    build = dict(command='build', workload='backbone')
    _, unknown, small, built = answers_to(
        Settings(height=32, width=32),
        dict(build, name='vitdense.PVTT:tiny'),
        dict(build, name='timm'),
        dict(build, name=TINY),
    )
    assert unknown['error'] == (
        "vitdense has no backbone 'PVTT'; the closest are ['PVT', 'ViT']"
    )
    assert 'has none of the forms' in small['error']
    assert built['result'] > 0


def test_image_that_is_too_small() -> None:
    *_, answer = answers_to(
        Settings(height=3, width=40),
        dict(command='build', workload='backbone', name=TINY),
        dict(command='time', mode='forward'),
    )
    assert answer['error'].startswith('PVT: images of 3 x 40 pixels are too')


@pytest.mark.parametrize('device', ['cuda:99', 'tpu', 'meta'])
def test_device_that_is_not_there(device: str) -> None:
    (answer,) = answers_to(Settings(device=device))
    assert '\n' not in answer['error']
    assert device in answer['error']


def test_descriptions() -> None:
    refusal = RuntimeError('[enforce] not enough memory: you tried\nmore')
    assert describe(refusal) == 'out of memory'
    assert describe(MemoryError()) == 'out of memory'
    assert describe(ValueError('a\nb')) == 'a'
    assert describe(KeyError('a')) == "KeyError: 'a'"


def test_memory_of_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch 2.4 has no ``torch.OutOfMemoryError``."""
    monkeypatch.delattr(torch, 'OutOfMemoryError', raising=False)
    error = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried 2.00 GiB')
    assert describe(error) == 'out of memory'
    refusal = RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when a\nb')
    assert describe(refusal) == 'out of memory'
    assert describe(RuntimeError('a\nb')) == 'RuntimeError: a'


class Passes:
    """A workload that records when it runs."""

    def __init__(self, calls: list[str]) -> None:
        self.model = nn.Identity()
        self.calls = calls

    def forward(self) -> None:
        self.calls.append('pass')

    forward_backward = forward


@pytest.fixture
def cuda_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls of ``torch.cuda``, which pretends to have two devices."""
    calls: list[str] = []

    def record(name: str, result: Any = None) -> None:
        def call(*device: Any) -> Any:
            calls.append(' '.join([name, *map(str, device)]))
            return result

        monkeypatch.setattr(torch.cuda, name, call)

    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    record('set_device')
    record('synchronize')
    record('reset_peak_memory_stats')
    record('memory_allocated', 3)
    record('max_memory_allocated', 5)
    return calls


def test_cuda_device_becomes_the_current_one(cuda_calls: list[str]) -> None:
    WorkerSession(Settings(device='cuda:1'))
    assert cuda_calls == ['set_device 1']
    with pytest.raises(ValueError, match='has 2 CUDA devices'):
        WorkerSession(Settings(device='cuda:2'))


def test_cuda_is_waited_for_on_both_sides(cuda_calls: list[str]) -> None:
    session = WorkerSession(Settings(device='cuda'))
    session.workload = Passes(cuda_calls)
    session.time('forward')
    wait = 'synchronize cuda'
    assert cuda_calls == ['set_device 0', wait, 'pass', wait]


def test_cuda_memory_is_that_of_a_warm_pass(cuda_calls: list[str]) -> None:
    session = WorkerSession(Settings(device='cuda'))
    session.workload = Passes(cuda_calls)
    assert session.memory() == {'held': 3, 'peak': 5}
    assert cuda_calls[1:] == [
        'memory_allocated cuda',
        'pass',
        'reset_peak_memory_stats cuda',
        'pass',
        'max_memory_allocated cuda',
    ]


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('compiled', [False, True])
def test_a_session_on_cuda(dtype: str, compiled: bool) -> None:
    settings = Settings(
        device='cuda',
        height=64,
        width=96,
        batch=2,
        dtype=dtype,
        compiled=compiled,
    )
    started, machine, rate, built, memory, *times, deviation = answers_to(
        settings,
        dict(command='machine'),
        dict(command='product_rate'),
        dict(command='build', workload='backbone', name=TINY),
        dict(command='memory'),
        dict(command='time', mode='forward'),
        dict(command='time', mode='forward_backward'),
        dict(command='deviation'),
    )
    assert started == {'result': None}
    assert machine['result']['accelerator']
    assert machine['result']['cuda'] == torch.version.cuda
    assert rate['result'] > 1e11
    assert built['result'] > 0
    assert 0 < memory['result']['held'] < memory['result']['peak'] < 2**30
    assert all(time['result'] > 0 for time in times)
    assert deviation['result'] < 1e-5
