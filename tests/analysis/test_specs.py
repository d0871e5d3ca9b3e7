"""Names of backbones and detectors."""

from pathlib import Path

import pytest

from vitdense.analysis.specs import (
    BackboneSpec,
    parse_backbone,
    parse_detector,
)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('vitdense.PVT:v2-b2', ('vitdense', 'PVT', 'v2-b2', {})),
        ('mmdet.ResNet{"depth": 50}', ('mmdet', 'ResNet', '', {'depth': 50})),
        ('mmdet.SwinTransformer', ('mmdet', 'SwinTransformer', '', {})),
        ('timm:pvt_v2_b2', ('timm', '', 'pvt_v2_b2', {})),
        ('timm:vit.in1k', ('timm', '', 'vit.in1k', {})),
        (
            'transformers:cvt{"depth": [1, 2, 10], "x": {"y": "}"}}',
            (
                'transformers',
                '',
                'cvt',
                {'depth': [1, 2, 10], 'x': {'y': '}'}},
            ),
        ),
        (
            'plain.T2TViT:14{"out_indices": [0]}',
            ('plain', 'T2TViT', '14', {'out_indices': [0]}),
        ),
    ],
)
def test_backbone(text: str, expected: tuple[str, str, str, dict]) -> None:
    assert parse_backbone(text) == BackboneSpec(*expected)


@pytest.mark.parametrize(
    'text', ['', 'PVT', 'PVT:v2-b2', 'timm', 'timm.x:y', 'timm:', ':v2', '{}']
)
def test_backbone_without_a_form(text: str) -> None:
    with pytest.raises(ValueError, match='has none of the forms') as caught:
        parse_backbone(text)
    assert repr(text) in str(caught.value)
    assert 'timm:NAME' in str(caught.value)


def test_arguments_that_are_not_json() -> None:
    with pytest.raises(ValueError, match=r'not JSON: .*column 2'):
        parse_backbone('mmdet.ResNet{depth: 50}')


def test_detector(tmp_path: Path) -> None:
    config = tmp_path / 'mask-rcnn.py'
    config.touch()
    assert parse_detector(str(config)).backbone is None
    spec = parse_detector(f'{config}@vitdense.PVT:tiny')
    assert spec.config == config
    assert spec.backbone == BackboneSpec('vitdense', 'PVT', 'tiny', {})


def test_detector_without_config() -> None:
    with pytest.raises(FileNotFoundError, match=r'no config none\.py'):
        parse_detector('none.py')
    with pytest.raises(ValueError, match=r"'vitdense\.PVT:tiny' is neither"):
        parse_detector('vitdense.PVT:tiny')
