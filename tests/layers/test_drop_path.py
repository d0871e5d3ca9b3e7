"""Stochastic depth."""

import pytest
import torch

from vitdense.layers.drop_path import DropPath, ramp


def test_drops_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    values = DropPath(0.25).train().scale(torch.ones(4000, 3, 2))
    assert values.shape == (4000, 1, 1)
    assert values.unique().tolist() == pytest.approx([0, 4 / 3])
    assert values.mean().item() == pytest.approx(1, abs=0.05)


def test_keeps_all_in_eval_mode() -> None:
    assert DropPath(0.9).eval().scale(torch.ones(4, 3, 2)) is None
    assert DropPath(0).train().scale(torch.ones(4, 3, 2)) is None


@pytest.mark.parametrize('rate', [-0.1, 1.0])
def test_rate_must_be_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        DropPath(rate)


def test_ramp() -> None:
    assert ramp(0.3, 4) == pytest.approx((0, 0.1, 0.2, 0.3))
    assert ramp(0.3, 1) == (0,)


def test_scales_a_branch() -> None:
    drop = DropPath(0.5).train()
    branch = torch.randn(8, 3, 2)
    torch.manual_seed(0)
    scale = drop.scale(branch)
    torch.manual_seed(0)
    assert torch.equal(drop(branch), branch * scale)
    assert drop.eval()(branch) is branch
