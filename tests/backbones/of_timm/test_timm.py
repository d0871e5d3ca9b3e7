"""Models of timm as backbones: what they declare, and strict loading."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS
from timm_alone import import_timm
from torch import Tensor

import vitdense
from vitdense.backbones.of_timm.names import place
from vitdense.checkpoint import CheckpointError

# Name, and levels at strides of 4 and more.
ARCHS = {
    'resnet18': (64, 128, 256, 512),
    'mobilenetv3_small_050': (8, 16, 24, 288),
    'swin_tiny_patch4_window7_224': (96, 192, 384, 768),
    'convnext_atto': (40, 80, 160, 320),
    'hrnet_w18_small': (128, 256, 512, 1024),
}


@pytest.fixture
def timm() -> Any:
    return import_timm()


def images(*hw: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, *hw, generator=generator)


def backbone(arch: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return MODELS.build(dict(type='vitdense.Timm', arch=arch, **options))


@pytest.mark.slow
@pytest.mark.parametrize('arch', ARCHS)
@pytest.mark.usefixtures('timm')
@torch.no_grad()
def test_declared_levels_at_any_size(arch: str) -> None:
    model = backbone(arch).eval()
    assert model.out_channels == ARCHS[arch]
    assert model.out_strides == (4, 8, 16, 32)
    for hw in ((96, 64), (33, 47)):
        for level, channels, stride in zip(
            model(images(*hw)),
            model.out_channels,
            model.out_strides,
            strict=True,
        ):
            assert level.isfinite().all()
            assert level.shape[:2] == (2, channels)
            for cells, size in zip(level.shape[2:], hw, strict=True):
                most = -(-size // 32) * 32 // stride
                assert size // stride <= cells <= most


@pytest.mark.slow
@pytest.mark.parametrize('arch', [*ARCHS, 'vit_tiny_patch16_224'])
@torch.no_grad()
def test_a_whole_models_file_gives_timms_levels(
    timm: Any, tmp_path: Path, arch: str
) -> None:
    torch.manual_seed(2)
    whole = timm.create_model(arch).eval()
    file = tmp_path / 'whole.pth'
    torch.save(whole.state_dict(), file)
    config = dict(type='Pretrained', checkpoint=str(file))
    model = backbone(arch, init_cfg=config).eval()
    model.init_weights()
    x = images(224, 224)
    theirs = whole.forward_intermediates(
        x, indices=list(model.out_indices), intermediates_only=True
    )
    for ours, level in zip(model(x), theirs, strict=True):
        torch.testing.assert_close(ours, level)


@pytest.mark.slow
@torch.no_grad()
def test_official_weights_are_those_that_timm_has(
    timm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = timm.create_model

    def downloaded(name: str, *, pretrained: bool, **options: Any) -> Any:
        assert pretrained
        return (
            create(name, **options)
            .requires_grad_(False)
            .apply(lambda part: [p.fill_(0.5) for p in part.parameters(False)])
        )

    config = dict(type='Pretrained', checkpoint='official')
    model = backbone('resnet18', init_cfg=config)
    monkeypatch.setattr(timm, 'create_model', downloaded)
    model.init_weights()
    assert all((p == 0.5).all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.usefixtures('timm')
def test_batch_norms_stay() -> None:
    model = backbone('resnet18', norm_eval=True).train()
    assert model.training
    assert not model.body.bn1.training
    assert backbone('resnet18').train().body.bn1.training


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(arch='resnet5'), "no model 'resnet5'; the closest .*'resnet50"),
        (dict(arch=50), 'no model 50'),
        (dict(arch='mixer_s16_224'), r'no images of 48 x 32 pixels \(Input'),
        (dict(arch='maxvit_tiny_tf_224'), 'no images of 96 x 64 pixels'),
        (dict(arch='resnet18', out_indices=(7,)), 'as features refuses .*7'),
        (dict(arch='resnet18', in_channels=0), 'in_channels=0 must be'),
        (dict(arch='resnet18', drop_path_rate=1), r'rate=1 must be in \[0'),
        (dict(arch='vgg11', drop_path_rate=0.1), 'vgg11 of timm refuses'),
    ],
)
@pytest.mark.usefixtures('timm')
def test_what_has_no_meaning(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        vitdense.Timm(**options)
    assert '\n' not in str(refused.value)


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ValueError, match=r'need timm, .*install -e \.\[timm'):
        vitdense.Timm('resnet50')


OWN = {
    'stages_0.weight': torch.zeros(2),
    'stem.weight': torch.zeros(3),
    'model.norm.weight': torch.zeros(4),
}
WHOLE = ('stages.0.weight', 'stem.weight', 'norm.weight', 'head.weight')
FILE = dict(zip(WHOLE, map(torch.zeros, (2, 3, 4, 5)), strict=True))


def test_every_tensor_has_its_place() -> None:
    filled, dropped, problems = place(FILE, OWN, WHOLE)
    assert filled.keys() == OWN.keys()
    assert (dropped, problems) == (['head.weight'], [])
    ours = {f'body.{name}': tensor for name, tensor in OWN.items()}
    assert place(ours, OWN, WHOLE) == (OWN, [], [])


def test_all_that_does_not_fit() -> None:
    file = {**FILE, 'fc.weight': torch.zeros(1), 'stem.weight': torch.ones(9)}
    del file['norm.weight']
    file['stages_0.weight'] = torch.zeros(2)
    _, _, problems = place(file, OWN, WHOLE)
    assert sorted(problems) == [
        'missing: model.norm.weight',
        'other shape: stem.weight (9,) does not make stem.weight (3,)',
        'unexpected: fc.weight',
        'unexpected: stages_0.weight (again stages_0.weight)',
    ]


@pytest.mark.slow
@pytest.mark.usefixtures('timm')
def test_another_models_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'other.pth'
    torch.save(backbone('resnet18').state_dict(), file)
    config = dict(type='Pretrained', checkpoint=str(file))
    model = backbone('resnet26', init_cfg=config)
    before = model.body.conv1.weight.clone()
    with pytest.raises(CheckpointError, match='does not fit resnet26'):
        model.init_weights()
    assert torch.equal(model.body.conv1.weight, before)
