"""Names of backbones and detectors."""

from pathlib import Path

import pytest

from vitdense.benchmark.names import (
    BackboneSpec,
    parse_backbone,
    parse_detector,
)


@pytest.mark.parametrize(
    ('text', 'source', 'type_', 'variant', 'arguments'),
    [
        ('vitdense.PVT:v2-b2', 'vitdense', 'PVT', 'v2-b2', {}),
        ('mmdet.ResNet{"depth": 50}', 'mmdet', 'ResNet', '', {'depth': 50}),
        ('mmdet.SwinTransformer', 'mmdet', 'SwinTransformer', '', {}),
        ('my.nets.Net:tiny', 'my.nets', 'Net', 'tiny', {}),
        ('timm:pvt_v2_b2', 'timm', '', 'pvt_v2_b2', {}),
        ('timm:vit.in1k', 'timm', '', 'vit.in1k', {}),
        (
            'transformers:cvt{"depth": [1, 2, 10], "x": {"y": "}"}}',
            'transformers',
            '',
            'cvt',
            {'depth': [1, 2, 10], 'x': {'y': '}'}},
        ),
    ],
)
def test_backbone(
    text: str, source: str, type_: str, variant: str, arguments: dict
) -> None:
    assert parse_backbone(text) == BackboneSpec(
        source=source, type=type_, variant=variant, arguments=arguments
    )


@pytest.mark.parametrize(
    ('text', 'source', 'type_'),
    [
        ('plain.T2TViT:14{"out_indices": [0]}', 'vitdense', 'T2TViT'),
        ('plain.vitdense.T2TViT:14{"out_indices": [0]}', 'vitdense', 'T2TViT'),
        ('plain.my.nets.Net:14{"out_indices": [0]}', 'my.nets', 'Net'),
    ],
)
def test_plain_form(text: str, source: str, type_: str) -> None:
    assert parse_backbone(text) == BackboneSpec(
        source=source,
        type=type_,
        variant='14',
        arguments={'out_indices': [0]},
        plain=True,
    )


@pytest.mark.parametrize(
    'text',
    ['', 'PVT', 'PVT:v2', 'timm', 'timm.x:y', 'timm:', ':v2', '{}', 'plain:a'],
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
    assert spec.backbone == parse_backbone('vitdense.PVT:tiny')


def test_detector_without_config() -> None:
    with pytest.raises(FileNotFoundError, match=r'no config none\.py'):
        parse_detector('none.py')
    with pytest.raises(ValueError, match=r"'vitdense\.PVT:tiny' is neither"):
        parse_detector('vitdense.PVT:tiny')
