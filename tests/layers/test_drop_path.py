"""Stochastic depth."""

import pytest
import torch

from vitdense.layers.drop_path import DropPath, ramp


def test_drops_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = DropPath(0.25).train()(torch.ones(4000, 3, 2))
    values = out.flatten(1)
    assert torch.equal(values.amin(1), values.amax(1))
    assert values.unique().tolist() == pytest.approx([0, 4 / 3])
    assert values.mean().item() == pytest.approx(1, abs=0.05)


def test_keeps_all_in_eval_mode() -> None:
    branch = torch.randn(4, 3)
    assert DropPath(0.9).eval()(branch) is branch


@pytest.mark.parametrize('rate', [-0.1, 1.0])
def test_rate_must_be_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        DropPath(rate)


def test_ramp() -> None:
    assert ramp(0.3, 4) == pytest.approx((0, 0.1, 0.2, 0.3))
    assert ramp(0.3, 1) == (0,)
