"""Building backbones of other libraries by name."""

import pytest
import torch

from vitdense.analysis.build import build_backbone, outputs_of
from vitdense.analysis.specs import parse_backbone


@pytest.mark.parametrize(
    ('name', 'channels'),
    [
        (
            'mmdet.PyramidVisionTransformerV2'
            '{"embed_dims": 8, "num_layers": [1, 1, 1, 1]}',
            [8, 16, 40, 64],
        ),
        (
            'mmseg.MixVisionTransformer'
            '{"embed_dims": 8, "num_layers": [1, 1, 1, 1]}',
            [8, 16, 32, 64],
        ),
    ],
)
def test_registered(name: str, channels: list[int]) -> None:
    model = build_backbone(parse_backbone(name))
    levels = outputs_of(model(torch.randn(1, 3, 64, 64)))
    assert [level.shape[1] for level in levels] == channels


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('mmdet.ResNett', "no backbone 'ResNett'; the closest are .*'ResNet'"),
        ('mmpose.ResNet', "'mmpose' registers no backbones; choose from"),
        ('plain.Nope:1', "vitdense has no backbone 'Nope'"),
    ],
)
def test_unknown(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_backbone(parse_backbone(name))


def test_transformers() -> None:
    pytest.importorskip('transformers', reason='a baseline, not required')
    small = '{"depth": [1, 2, 3], "embed_dim": [8, 12, 24]}'
    model = build_backbone(parse_backbone('transformers:cvt' + small))
    levels = outputs_of(model(torch.randn(1, 3, 64, 64)))
    assert {level.shape[1] for level in levels} >= {8, 12, 24}
    with pytest.raises(ValueError, match=r"no model type 'cvtt'.*'cvt'"):
        build_backbone(parse_backbone('transformers:cvtt'))


def test_outputs_are_distinct_tensors_in_order() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    assert outputs_of({'x': a, 'y': [b, (a, None)]}) == (a, b)
    assert outputs_of(a) == (a,)
