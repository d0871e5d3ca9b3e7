"""Files of each family: loaded exactly, reported, or refused untouched."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden import assert_golden, golden_images, official_state_dict
from mmengine.logging import MMLogger
from official import OFFICIAL, build
from safetensors.torch import save_file
from torch import Tensor, nn

from vitdense.checkpoint import CheckpointError, load_backbone

GOLDEN = {
    'pvt_tiny': ((96, 128), (224, 224)),
    'pvt_v2_b0': ((96, 128), (97, 131)),
    'pvt_v2_b2_li': ((256, 320),),
    'cvt_13': ((100, 132), (224, 224)),
}
TINY = {
    'design': 'v1',
    'dims': (4, 4, 8, 8),
    'depths': (1, 1, 1, 1),
    'heads': (1, 1, 2, 2),
    'mlp_ratios': (1, 1, 1, 1),
    'position_px': 64,
}


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in model.state_dict().items()}


def assert_untouched(model: nn.Module, before: dict[str, Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def randomised(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for tensor in model.state_dict().values():
        tensor.normal_(generator=generator)
    return model


@pytest.mark.parametrize('name', GOLDEN)
@torch.no_grad()
def test_golden(tmp_path: Path, name: str) -> None:
    family, arch = OFFICIAL[name]
    path = tmp_path / 'weights.pth'
    torch.save(official_state_dict(name), path)
    model = build(family, arch=arch).eval()
    load_backbone(model, str(path))
    for height, width in GOLDEN[name]:
        levels = model(golden_images((height, width)))
        assert_golden(levels, f'{name}_{height}x{width}')


@pytest.mark.parametrize('name', ['t2t_vit_7', 't2t_vit_t_14'])
@torch.no_grad()
def test_golden_t2t(tmp_path: Path, name: str) -> None:
    """As it is published: averaged weights beside others, wrapped."""
    weights = official_state_dict(name)
    content = {
        'arch': name,
        'args': argparse.Namespace(lr=1e-3),
        'state_dict': {k: torch.zeros_like(v) for k, v in weights.items()},
        'state_dict_ema': {f'module.{k}': v for k, v in weights.items()},
    }
    path = tmp_path / f'{name}.pth.tar'
    torch.save(content, path)
    family, arch = OFFICIAL[name]
    model = build(family, arch=arch).eval()
    report = load_backbone(model, str(path))
    assert report.notes == (
        "took 'state_dict_ema' (also there: state_dict)",
        "stripped 'module.'",
    )
    levels = []
    carried = golden_images((224, 224))
    for stage in model.stages[:3]:
        level, carried = stage(carried)
        levels.append(level)
    # stride 16 is there before and after the final norm
    levels.insert(2, carried)
    assert_golden(levels, f'{name}_224x224')


def test_one_log_line(tmp_path: Path) -> None:
    model = randomised(build('pvt', arch=TINY))
    path = tmp_path / 'own.pth'
    torch.save(model.state_dict(), path)
    target = build('pvt', arch=TINY)
    lines: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(listener)
    report = load_backbone(target, str(path))
    logger.removeHandler(listener)
    total = len(model.state_dict())
    assert lines == [
        f'loaded {path}: layout vitdense PVT, {total} of {total} tensors '
        'matched; adapted: none; dropped: none'
    ]
    assert str(report) == lines[0]


@pytest.mark.parametrize('wrap', ['flat', 'model', 'detector', 'safetensors'])
def test_own_file(tmp_path: Path, wrap: str) -> None:
    source = randomised(build('pvt', arch=TINY))
    weights = source.state_dict()
    detector = {f'backbone.{name}': t for name, t in weights.items()}
    detector['neck.conv.weight'] = torch.zeros(2)
    path = tmp_path / 'own.bin'
    if wrap == 'safetensors':
        save_file(weights, path)
    else:
        content = {
            'flat': weights,
            'model': {'epoch': 3, 'model': weights},
            'detector': {'meta': {'epoch': 3}, 'state_dict': detector},
        }[wrap]
        torch.save(content, path)
    model = build('pvt', arch=TINY)
    report = load_backbone(model, str(path))
    assert_untouched(model, weights)
    assert report.matched == report.total == len(weights)
    outside = {'neck.conv.weight': 'neck, outside the backbone'}
    assert dict(report.dropped) == (outside if wrap == 'detector' else {})


def test_fewer_stages_drop_the_later(tmp_path: Path) -> None:
    source = randomised(build('pvt', arch=TINY))
    path = tmp_path / 'own.pth'
    torch.save(source.state_dict(), path)
    model = build('pvt', arch=TINY, out_indices=(0, 1))
    report = load_backbone(model, str(path))
    assert_untouched(model, source.state_dict())
    assert {reason for _, reason in report.dropped} == {
        'stage that is not built'
    }
    assert all(
        n.startswith(('stages.2', 'stages.3')) for n, _ in report.dropped
    )


def test_adaptations_are_reported(tmp_path: Path) -> None:
    source = randomised(build('pvt', arch=TINY))
    path = tmp_path / 'own.pth'
    torch.save(source.state_dict(), path)
    arch = {**TINY, 'position_px': 96}
    model = build('pvt', arch=arch, in_channels=1)
    report = load_backbone(model, str(path))
    assert set(report.adapted) == {
        'stages.0.patch_embed.proj.weight adapted from 3 to 1 input channels',
        'stages.0.pos_embed resized from 16 x 16 to 24 x 24',
        'stages.1.pos_embed resized from 8 x 8 to 12 x 12',
        'stages.2.pos_embed resized from 4 x 4 to 6 x 6',
        'stages.3.pos_embed resized from 2 x 2 to 3 x 3',
    }
    grey = torch.randn(1, 1, 64, 64)
    own = source.stages[0].patch_embed(grey.expand(-1, 3, -1, -1))[0]
    theirs = model.stages[0].patch_embed(grey)[0]
    torch.testing.assert_close(theirs, own)


def damage_kind(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**weights, 'stages.0.norm2': torch.zeros(1)}


def damage_shape(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    name = 'stages.3.blocks.0.mlp.fc2.bias'
    return {**weights, name: torch.zeros(9)}


def damage_type(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    name = 'stages.3.blocks.0.mlp.fc2.bias'
    return {**weights, name: torch.zeros(8, dtype=torch.int64)}


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        (damage_kind, 'unexpected: stages.0.norm2'),
        (damage_shape, r'other shape: stages.*mlp.fc2.bias \(9,\)'),
        (damage_type, 'other type: stages.*mlp.fc2.bias is torch.int64'),
    ],
)
def test_misfit_leaves_the_model(
    tmp_path: Path,
    damage: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    told: str,
) -> None:
    path = tmp_path / 'own.pth'
    torch.save(damage(randomised(build('pvt', arch=TINY)).state_dict()), path)
    model = build('pvt', arch=TINY)
    before = snapshot(model)
    with pytest.raises(CheckpointError, match=told) as error:
        load_backbone(model, str(path))
    assert str(error.value).count('\n') == 1
    assert str(error.value).startswith(f'{path} does not fit the model')
    assert_untouched(model, before)


def test_init_cfg_loads_and_refuses(tmp_path: Path) -> None:
    source = randomised(build('pvt', arch=TINY))
    path = tmp_path / 'own.pth'
    torch.save(source.state_dict(), path)
    config = {'type': 'Pretrained', 'checkpoint': str(path)}
    model = build('pvt', arch=TINY, init_cfg=config)
    model.init_weights()
    assert_untouched(model, source.state_dict())
    torch.save({'layer1.weight': torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match='no known layout'):
        model.init_weights()
    assert_untouched(model, source.state_dict())


def test_half_precision_file_is_widened(tmp_path: Path) -> None:
    source = randomised(build('pvt', arch=TINY)).half()
    path = tmp_path / 'own.pth'
    torch.save(source.state_dict(), path)
    model = build('pvt', arch=TINY)
    load_backbone(model, str(path))
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, source.state_dict()[name].float())


def test_digest_of_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / 'own.pth'
    torch.save(build('pvt', arch=TINY).state_dict(), path)
    model = build('pvt', arch=TINY)
    before = snapshot(model)
    with pytest.raises(CheckpointError, match='expected 0000'):
        load_backbone(model, str(path), sha256='0' * 64)
    with pytest.raises(CheckpointError, match='64 hexadecimal'):
        load_backbone(model, str(path), sha256='0' * 8)
    assert_untouched(model, before)


def test_meta_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'own.pth'
    torch.save(build('pvt', arch=TINY).state_dict(), path)
    with torch.device('meta'):
        model = build('pvt', arch=TINY)
    with pytest.raises(CheckpointError, match='meta device'):
        load_backbone(model, str(path))
