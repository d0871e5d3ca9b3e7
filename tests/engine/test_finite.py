"""Losses and gradients that are not finite stop a step, or leave it out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import numbers, rows, runner

from vitdense.engine import StopOnNonFiniteHook
from vitdense.engine.finite import SKIPPED, NonFiniteError, norms
from vitdense.engine.kept_step import read_step
from vitdense.engine.replay import replay

NAN, INF = torch.nan, torch.inf
SKIP = {'on_bad': 'skip', 'max_skipped': 1}


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob('non_finite_*'))


def test_a_bad_loss_stops_before_the_step(tmp_path: Path) -> None:
    good = runner(tmp_path / 'good', rows(2))
    good.train()
    run = runner(tmp_path / 'bad', rows(6, at_4=NAN))
    with pytest.raises(NonFiniteError) as stop:
        run.train()
    message = str(stop.value)
    (file,) = kept(tmp_path / 'bad')
    for part in (
        'not finite at iteration 2: loss_head of iteration 2 (1 of 1 values)',
        'loss_extra',
        'images: 3 images/3.jpg, 4 images/4.jpg; ',
        f'tools/replay_batch.py {file}; ',
        f'last good checkpoint: {tmp_path}/bad/iter_1.pth',
    ):
        assert part in message
    expected, found = numbers(good.model), numbers(run.model)
    for name in ('head.weight', 'head.bias', 'extra.weight', 'norm.weight'):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)
    # what is kept has the running statistics of before as well
    torch.testing.assert_close(read_step(file).state, expected)
    assert not torch.equal(
        found['norm.running_mean'], expected['norm.running_mean']
    )


@pytest.mark.parametrize('clip', [None, {'max_norm': 1.0}])
def test_a_bad_gradient_of_a_finite_loss(
    tmp_path: Path, clip: dict[str, float] | None
) -> None:
    run = runner(tmp_path, rows(4, at_3=7.0), clip_grad=clip)
    with pytest.raises(NonFiniteError) as stop:
        run.train()
    # clipping makes all gradients NaN: those named are those of before
    text = 'gradients of extra.weight, extra.bias, from finite losses; images'
    assert text in str(stop.value)
    assert all(v.isfinite().all() for v in run.model.state_dict().values())


def test_large_gradients_are_finite() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    for value, finite in ((1e30, True), (INF, False), (NAN, False)):
        parameter.grad = torch.tensor([value, 1.0])
        (found,) = norms(optimizer, INF)
        assert bool(found.isfinite().all()) is finite
    parameter.grad = None
    assert norms(optimizer, 2) == []


def test_a_large_gradient_does_not_stop(tmp_path: Path) -> None:
    """The squares of the gradients overflow, the gradients do not."""
    clip = {'type': 'value', 'clip_value': 1e25}
    run = runner(tmp_path, rows(2), model={'factor': 1e22}, clip_grad=clip)
    run.train()
    assert kept(tmp_path) == []


@pytest.mark.parametrize('value', [NAN, 7.0])
def test_a_step_left_out_leaves_no_trace(tmp_path: Path, value: float) -> None:
    samples = rows(8, at_4=value)
    without = runner(tmp_path / 'without', samples[:2] + samples[4:])
    without.train()
    run = runner(tmp_path / 'skip', samples, SKIP)
    run.train()
    torch.testing.assert_close(
        numbers(run.model), numbers(without.model), rtol=0, atol=0
    )
    (log,) = (tmp_path / 'skip').glob('*/*.log')
    text = log.read_text()
    assert 'step left out: not finite at iteration 2' in text
    assert '1 steps with non-finite numbers were left out' in text
    assert 'iterations [2]' in text
    loss = run.message_hub.get_scalar('train/loss')
    assert len(loss.data[0]) == 3


def test_no_more_steps_than_allowed_are_left_out(tmp_path: Path) -> None:
    run = runner(tmp_path, rows(8, at_1=NAN, at_5=INF), SKIP)
    with pytest.raises(NonFiniteError, match=r'iteration 3.*1 steps left out'):
        run.train()
    assert len(kept(tmp_path)) == 2


def test_those_before_a_resume_count(tmp_path: Path) -> None:
    """The checkpoint's message hub holds them."""
    run = runner(tmp_path, rows(8, at_1=NAN), SKIP)
    run._resume = True
    run.message_hub.update_info(SKIPPED, [7])
    with pytest.raises(NonFiniteError, match=r'iteration 1.*1 steps left out'):
        run.train()
    other = runner(tmp_path / 'other', rows(8, at_1=NAN), SKIP)
    other.train()
    assert other.message_hub.get_info(SKIPPED) == [1]


def test_accumulated_gradients_are_one_step(tmp_path: Path) -> None:
    samples = rows(8, at_5=NAN)
    without = runner(tmp_path / 'w', samples[:4], accumulative_counts=2)
    without.train()
    run = runner(tmp_path / 'skip', samples, SKIP, accumulative_counts=2)
    run.train()
    torch.testing.assert_close(numbers(run.model), numbers(without.model))
    (file,) = kept(tmp_path / 'skip')
    step = read_step(file)
    assert [each.iteration for each in step.passes] == [3, 4]
    found = replay(step.build_model(), step.passes, step.autocast)
    assert {each.iteration for each in found.bad_losses} == {3}


class TestGradientScaler:
    def test_overflow_is_its_own_affair(self, tmp_path: Path) -> None:
        run = runner(tmp_path, rows(6, at_3=7.0), type='ScaledOnCPU')
        run.train()
        wrapper: Any = run.optim_wrapper
        assert wrapper.loss_scaler.get_scale() == 2
        assert kept(tmp_path) == []

    def test_no_scale_is_left(self, tmp_path: Path) -> None:
        run = runner(
            tmp_path, rows(6, at_3=7.0), type='ScaledOnCPU', scale=1.0
        )
        with pytest.raises(NonFiniteError, match=r'gradients of extra\.'):
            run.train()

    def test_a_bad_loss(self, tmp_path: Path) -> None:
        samples = rows(6, at_3=NAN)
        run = runner(tmp_path / 'skip', samples, SKIP, type='ScaledOnCPU')
        run.train()
        without = runner(
            tmp_path / 'without',
            samples[:2] + samples[4:],
            type='ScaledOnCPU',
        )
        without.train()
        torch.testing.assert_close(numbers(run.model), numbers(without.model))


def test_random_numbers_are_repeated(tmp_path: Path) -> None:
    """A loss that only some draws of dropout make bad is bad again."""
    samples = rows(20, **{f'at_{number}': 3e38 for number in range(1, 21)})
    run = runner(tmp_path, samples, model={'dropout': 0.9})
    with pytest.raises(NonFiniteError):
        run.train()
    (file,) = kept(tmp_path)
    step = read_step(file)
    model = step.build_model()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = [replay(model, step.passes, step.autocast) for _ in range(2)]
    assert found[0].bad
    assert str(found[0].losses) == str(found[1].losses)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_were_bad_before(tmp_path: Path) -> None:
    run = runner(tmp_path, rows(2))
    with torch.no_grad():
        run.model.head.weight.fill_(NAN)
    with pytest.raises(NonFiniteError, match='weights before the step: head'):
        run.train()


@pytest.mark.parametrize(
    ('settings', 'text'),
    [
        ({'on_bad': 'ignore'}, "on_bad='ignore'; choose from"),
        ({'max_skipped': -1}, 'max_skipped=-1 is negative'),
    ],
)
def test_arguments(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        StopOnNonFiniteHook(**settings)
