"""On an accelerator backbones give what they give on the CPU."""

import functools
from typing import Any, NamedTuple

import pytest
import torch
from designs import DESIGNS, images
from devices import (
    CUDA,
    Device,
    PlainCPU,
    cpu_with_shortcuts,
    on_cuda,
    plain_cpu,
    played,
)
from torch import Tensor

from vitdense.backbones.vit.block import ParallelBlock
from vitdense.layers import bands

HW = (64, 96)
ODD_HW = (65, 97)
# Losses are scaled as in training, so that float16 holds their gradients.
LOSS_SCALE = 2.0**10


class Case(NamedTuple):
    """What a pass is given."""

    hw: tuple[int, int]
    batch: int
    options: dict[str, Any]
    memory_format: torch.memory_format = torch.contiguous_format


class Results(NamedTuple):
    """What a pass gives: levels, and gradients by name."""

    levels: list[Tensor]
    grads: dict[str, Tensor]


CASES = {
    'plain': Case(HW, 2, {}),
    'odd-channels-last': Case(
        ODD_HW, 1, {'norm_eval': True}, torch.channels_last
    ),
    'frozen-checkpointed': Case(
        ODD_HW, 2, {'frozen_stages': 1, 'with_cp': True}
    ),
}


def computed(
    design: str,
    case: Case,
    device: Device,
    half: torch.dtype | None = None,
    compile_with: str = '',
) -> Results:
    """Trains for one pass, on the device."""
    model = device.model(DESIGNS[design].build(**case.options)).train()
    batch = images(case.hw, case.batch)
    if case.memory_format is torch.channels_last:
        model = model.to(memory_format=case.memory_format)
        batch = batch.contiguous(memory_format=case.memory_format)
    batch = device.tensor(batch).requires_grad_()
    if compile_with:
        model.compile(fullgraph=True, dynamic=True, backend=compile_with)
    with torch.autocast(device.type, half, enabled=half is not None):
        levels = model(batch)
    loss = sum(level.float().square().mean() for level in levels)
    (loss * LOSS_SCALE).backward()
    given = {'images': batch, **dict(model.named_parameters())}
    return Results(
        [device.back(level) for level in levels],
        {
            name: device.back(tensor.grad) / LOSS_SCALE
            for name, tensor in given.items()
            if tensor.grad is not None
        },
    )


@functools.cache
def expected(design: str, name: str) -> Results:
    """What the CPU gives, with its shortcuts."""
    with cpu_with_shortcuts():
        return computed(design, CASES[name], Device())


def assert_close(found: Results, wanted: Results) -> None:
    for one, other in zip(found.levels, wanted.levels, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() < 1e-3 * other.abs().max()
    assert found.grads.keys() == wanted.grads.keys()
    largest = max(grad.abs().max() for grad in wanted.grads.values())
    for name, grad in wanted.grads.items():
        # keys' biases shift all scores of a softmax alike: their gradient is
        # what rounding leaves
        allowed = 1e-2 * grad.abs().max() + 1e-6 * largest
        assert (found.grads[name] - grad).abs().max() < allowed, name


@pytest.mark.parametrize('device', [on_cuda, played], indirect=True)
@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('design', DESIGNS)
def test_levels_and_gradients(design: str, name: str, device: Device) -> None:
    wanted = expected(design, name)
    assert_close(computed(design, CASES[name], device), wanted)
    everything = len(list(DESIGNS[design].build().parameters())) + 1
    held = CASES[name].options.get('frozen_stages', -1) >= 0
    assert (len(wanted.grads) < everything) == held


@pytest.mark.parametrize('device', [on_cuda, played], indirect=True)
@pytest.mark.parametrize('design', DESIGNS)
def test_inference(design: str, device: Device) -> None:
    batch = images(ODD_HW, 2)
    with torch.no_grad(), cpu_with_shortcuts():
        wanted = DESIGNS[design].build().eval()(batch)
    with torch.no_grad():
        model = device.model(DESIGNS[design].build().eval())
        levels = model(device.tensor(batch))
    for level, other in zip(levels, wanted, strict=True):
        difference = (device.back(level) - other).abs().max()
        assert difference < 1e-3 * other.abs().max()


@pytest.mark.parametrize('device', [on_cuda, plain_cpu], indirect=True)
@pytest.mark.parametrize('design', DESIGNS)
def test_recomputed_blocks_draw_the_same(design: str, device: Device) -> None:
    """Stochastic depth draws on the device, and again in backward."""
    results = []
    for with_cp in (False, True):
        options = {'drop_path_rate': 0.5, 'with_cp': with_cp}
        case = Case(HW, 4, options)
        results.append(computed(design, case, device))
    assert_close(*results)


@pytest.mark.parametrize(
    ('device', 'half'),
    [
        pytest.param(device, half, marks=marks, id=f'{device.type}-{half}')
        for device, marks in ((CUDA(), pytest.mark.gpu), (PlainCPU(), ()))
        for half in device.half
    ],
    indirect=['device'],
)
@pytest.mark.parametrize('design', DESIGNS)
def test_autocast(design: str, device: Device, half: torch.dtype) -> None:
    assert_near(
        computed(design, CASES['odd-channels-last'], device, half),
        expected(design, 'odd-channels-last'),
    )


def assert_near(found: Results, wanted: Results) -> None:
    """As near as eight bits of precision come, or eleven."""
    for one, other in zip(found.levels, wanted.levels, strict=True):
        assert (one - other).abs().mean() < 0.1 * other.std()
    for name, grad in found.grads.items():
        assert grad.isfinite().all(), name
    flat, other = (
        torch.cat([grads[name].flatten() for name in wanted.grads])
        for grads in (found.grads, wanted.grads)
    )
    assert torch.cosine_similarity(flat, other, dim=0) > 0.98


COMPILED = [
    pytest.param(
        design,
        CUDA(),
        half,
        'inductor',
        marks=pytest.mark.gpu,
        id=f'{design}-{half}',
    )
    for design in DESIGNS
    for half in (None, torch.bfloat16)
]
# for the test itself: compiled on the CPU, designs have their contract
COMPILED.append(
    pytest.param(
        'like-pvt-v2-b0',
        PlainCPU(),
        None,
        'eager',
        marks=pytest.mark.slow,
        id='cpu',
    )
)


@pytest.mark.usefixtures('nothing_compiled')
@pytest.mark.parametrize(
    ('design', 'device', 'half', 'backend'), COMPILED, indirect=['device']
)
def test_compiled(
    design: str, device: Device, half: torch.dtype | None, backend: str
) -> None:
    found = computed(design, CASES['plain'], device, half, backend)
    check = assert_close if half is None else assert_near
    check(found, expected(design, 'plain'))


def test_what_is_expected_comes_from_bands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else these tests would hold one form against itself."""
    taken: list[tuple[int, ...]] = []
    project = bands.project

    def noted(maps: Tensor, *args: Any) -> Tensor:
        taken.append(tuple(maps.shape))
        return project(maps, *args)

    monkeypatch.setattr(bands, 'project', noted)
    batch = images(HW, 1)
    for design, entry in DESIGNS.items():
        model = entry.build()
        if any(isinstance(m, ParallelBlock) for m in model.modules()):
            continue  # what it adds to is not what it reads
        taken.clear()
        with cpu_with_shortcuts():
            model(batch)
        assert taken, design
        taken.clear()
        with PlainCPU().entered():
            model(batch)
        assert not taken, design
