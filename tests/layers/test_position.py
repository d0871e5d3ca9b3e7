"""Position embeddings."""

import torch

from vitdense.layers.position import resize_grid


def test_grids_are_compared_not_counts() -> None:
    embed = torch.randn(1, 16, 3)
    assert resize_grid(embed, (4, 4), (4, 4), 'bilinear') is embed
    resized = resize_grid(embed, (2, 8), (4, 4), 'bilinear')
    assert resized.shape == embed.shape
    assert not torch.allclose(resized, embed)


def test_resize_keeps_rows_and_columns_apart() -> None:
    rows = torch.arange(4.0).repeat_interleave(6).view(1, 24, 1)
    resized = resize_grid(rows, (4, 6), (8, 3), 'bilinear').view(8, 3)
    assert torch.equal(resized[:, 0], resized[:, 2])
    assert resized[:, 0].diff().ge(0).all()
