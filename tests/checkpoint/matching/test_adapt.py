"""Changes of shape that are allowed, and their values."""

import pytest
import torch

from vitdense.backbones.pvt.layouts import OFFICIAL_V1
from vitdense.backbones.t2t.layouts import PERFORMER
from vitdense.checkpoint.matching.adapt import find_adaptation

POSITIONS = 'stages.2.pos_embed'
CONV = 'stages.0.patch_embed.proj.weight'
NORM = 'stages.0.patch_embed.norm.weight'


def test_positions_are_resized_by_the_grid() -> None:
    ramp = torch.arange(4.0).repeat(4, 1).reshape(1, 16, 1)
    change = find_adaptation(OFFICIAL_V1, POSITIONS, (1, 16, 1), (1, 64, 1))
    resized = change.apply(ramp).reshape(8, 8)
    assert change.text == f'{POSITIONS} resized from 4 x 4 to 8 x 8'
    assert torch.equal(resized, resized[:1].expand(8, 8))
    assert torch.allclose(resized[0].diff()[1:-1], torch.tensor(0.5))


def test_class_position_is_kept() -> None:
    embed = torch.randn(1, 1 + 16, 3, generator=torch.manual_seed(0))
    change = find_adaptation(PERFORMER, POSITIONS, (1, 17, 3), (1, 37, 3))
    resized = change.apply(embed)
    assert torch.equal(resized[:, :1], embed[:, :1])
    expected = torch.nn.functional.interpolate(
        embed[:, 1:].mT.reshape(1, 3, 4, 4), size=(6, 6), mode='bicubic'
    )
    assert torch.equal(resized[:, 1:], expected.flatten(2).mT)


def test_channels_keep_what_grey_images_give() -> None:
    weight = torch.randn(5, 3, 4, 4, generator=torch.manual_seed(0))
    grey = torch.rand(1, 1, 8, 8)
    expected = torch.conv2d(grey.expand(-1, 3, -1, -1), weight)
    change = find_adaptation(OFFICIAL_V1, CONV, (5, 3, 4, 4), (5, 1, 4, 4))
    torch.testing.assert_close(
        torch.conv2d(grey, change.apply(weight)), expected
    )
    change = find_adaptation(OFFICIAL_V1, CONV, (5, 3, 4, 4), (5, 6, 4, 4))
    many = torch.conv2d(grey.expand(-1, 6, -1, -1), change.apply(weight))
    torch.testing.assert_close(many, expected)


def test_channels_of_a_soft_split() -> None:
    weight = torch.randn(5, 3 * 49, generator=torch.manual_seed(0))
    change = find_adaptation(PERFORMER, CONV, (5, 147), (5, 196))
    first = weight.reshape(5, 3, 49)
    expected = torch.cat((first, first[:, :1]), 1) * 0.75
    assert torch.equal(change.apply(weight), expected.reshape(5, 196))
    norm = torch.arange(147.0)
    change = find_adaptation(PERFORMER, NORM, (147,), (49,))
    assert torch.equal(change.apply(norm), norm.reshape(3, 49).mean(0))


@pytest.mark.parametrize(
    ('name', 'got', 'want'),
    [
        (POSITIONS, (1, 15, 3), (1, 16, 3)),
        (POSITIONS, (1, 16, 3), (1, 16, 4)),
        (POSITIONS, (1, 17, 3), (1, 36, 3)),
        (POSITIONS, (2, 16, 3), (1, 36, 3)),
        (POSITIONS, (16, 3), (1, 36, 3)),
        (CONV, (5, 4, 4, 4), (5, 3, 4, 4)),
        (CONV, (5, 3, 4, 4), (5, 1, 2, 2)),
        (CONV, (6, 3, 4, 4), (5, 1, 4, 4)),
        (CONV, (5, 3), (5, 1)),
        (NORM, (147,), (50,)),
        ('stages.1.patch_embed.proj.weight', (5, 3, 4, 4), (5, 1, 4, 4)),
        ('stages.0.norm.weight', (3,), (1,)),
    ],
)
def test_other_changes_are_barred(
    name: str, got: tuple[int, ...], want: tuple[int, ...]
) -> None:
    layout = PERFORMER if 'patch_embed.norm' in name else OFFICIAL_V1
    if (name, got) == (CONV, (5, 3)):
        layout = PERFORMER
    assert find_adaptation(layout, name, got, want) is None
