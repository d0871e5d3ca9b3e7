"""Building backbones of other libraries by name."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS

from vitdense.benchmark.build import build_backbone, outputs_of
from vitdense.benchmark.names import parse_backbone
from vitdense.registry import MODELS as OUR_MODELS


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
        ('mmdet.Qqq', "'Qqq'; choose from .*'ResNet'"),
        ('nowhere.ResNet', "no package 'nowhere'; choose .*vitdense, mmdet"),
        ('mmdet.nowhere.X', "no package 'mmdet.nowhere'"),
        ('vitdense.Nope:1', "'Nope'; choose from .*'PVT', 'T2TViT'"),
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


NET = """
from torch import nn
{imports}

{decorator}
class Net(nn.Conv2d):
    def __init__(self, arch):
        super().__init__(3, int(arch), 3)
"""


@pytest.fixture
def write_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Writes a package of the name and files given, found by imports."""
    before = set(sys.modules)
    scopes = dict(MODELS.children)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, **files: str) -> None:
        (tmp_path / name).mkdir()
        for module, source in files.items():
            (tmp_path / name / f'{module}.py').write_text(source)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        if name.startswith('net_'):
            del sys.modules[name]
    for scope in set(MODELS.children) - set(scopes):
        del MODELS.children[scope]


def test_a_class_of_a_users_package(
    write_package: Callable[..., None],
) -> None:
    write_package('net_plain', __init__=NET.format(imports='', decorator=''))
    model = build_backbone(parse_backbone('net_plain.Net:5'))
    assert model.out_channels == 5
    with pytest.raises(ValueError, match=r"no backbone 'Qqq'; .*\['Net'\]"):
        build_backbone(parse_backbone('net_plain.Qqq:5'))
    with pytest.raises(ValueError, match=r'net_plain\.Net has no plain form'):
        build_backbone(parse_backbone('plain.net_plain.Net:5'))


def test_a_users_package_with_a_scope(
    write_package: Callable[..., None],
) -> None:
    write_package(
        'net_scoped',
        __init__='',
        registry='from mmengine.registry import MODELS as ROOT, Registry\n'
        "MODELS = Registry('model', parent=ROOT, scope='net_scoped', "
        "locations=['net_scoped.nets'])\n",
        nets=NET.format(
            imports='from net_scoped.registry import MODELS',
            decorator='@MODELS.register_module()',
        ),
    )
    model = build_backbone(parse_backbone('net_scoped.Net:6'))
    assert model.out_channels == 6


def test_a_users_package_registered_elsewhere(
    write_package: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = dict(OUR_MODELS.module_dict)
    monkeypatch.setattr(OUR_MODELS, '_module_dict', registered)
    write_package(
        'net_ours',
        __init__='import net_ours.nets',
        nets=NET.format(
            imports='from vitdense.registry import MODELS',
            decorator="@MODELS.register_module('NetByName')",
        ),
    )
    model = build_backbone(parse_backbone('net_ours.NetByName:7'))
    assert model.out_channels == 7


def test_what_a_users_package_lacks_is_named(
    write_package: Callable[..., None],
) -> None:
    write_package('net_broken', __init__='import net_missing')
    with pytest.raises(ModuleNotFoundError, match='net_missing'):
        build_backbone(parse_backbone('net_broken.Net:5'))
