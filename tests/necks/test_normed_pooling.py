"""What a classifier reads of a last map that has no norm."""

import torch

import vitdense
from vitdense.necks import NormedPooling


@torch.no_grad()
def test_it_is_the_mean_of_normed_cells() -> None:
    neck = vitdense.NormedPooling(6)
    assert isinstance(neck, NormedPooling)
    neck.norm.weight.normal_()
    neck.norm.bias.normal_()
    last = torch.randn(2, 6, 3, 5)
    (pooled,) = neck((torch.randn(2, 4, 6, 10), last))
    mean = last.mean(1, keepdim=True)
    var = (last - mean).square().mean(1, keepdim=True)
    normed = ((last - mean) / (var + 1e-5).sqrt()).mean((2, 3))
    wanted = normed * neck.norm.weight + neck.norm.bias
    torch.testing.assert_close(pooled, wanted)
