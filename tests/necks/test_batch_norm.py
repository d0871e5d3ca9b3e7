"""The BatchNorm before a linear head."""

from typing import Any

import pytest
import torch
from mmengine.registry import MODELS

import vitdense
from vitdense.necks import BatchNormNeck


def test_levels_are_normed_over_the_batch() -> None:
    torch.manual_seed(0)
    levels = [5 + 3 * torch.randn(4, c, 6, 7) for c in (3, 8)]
    neck = BatchNormNeck([3, 8], dropout=0.0, norm='BN')
    for out, level in zip(neck(levels), levels, strict=True):
        mean = level.mean((0, 2, 3), keepdim=True)
        var = (level - mean).square().mean((0, 2, 3), keepdim=True)
        torch.testing.assert_close(out, (level - mean) / (var + 1e-5).sqrt())


def test_whole_channels_are_left_out_in_training_alone() -> None:
    torch.manual_seed(0)
    level = 1 + torch.rand(2, 64, 5, 5)
    neck = BatchNormNeck([64], dropout=0.5, norm='BN')
    (out,) = neck([level])
    constant = out.flatten(2).std(-1) < 1e-6
    assert 0.3 < constant.float().mean() < 0.7
    (out,) = neck.eval()([level])
    assert (out.flatten(2).std(-1) > 1e-6).all()


def test_by_name_and_over_all_processes() -> None:
    neck = MODELS.build(dict(type='vitdense.BatchNormNeck', in_channels=[4]))
    assert isinstance(neck, vitdense.BatchNormNeck)
    assert isinstance(neck.norms[0], torch.nn.SyncBatchNorm)


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(in_channels=4), 'in_channels=4 must list'),
        (dict(in_channels=[]), r'in_channels=\[\] must list'),
        (dict(in_channels=[4, -1]), r'in_channels=\[4, -1\] must list'),
        (dict(in_channels=[4], dropout=1), r'dropout=1 is not in \[0, 1\)'),
        (dict(in_channels=[4], dropout=True), 'dropout=True is not'),
        (dict(in_channels=[4], norm='LN'), "norm='LN' is not one of"),
    ],
)
def test_what_has_no_meaning(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BatchNormNeck(**options)
