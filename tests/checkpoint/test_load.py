"""Files of each family: loaded exactly, reported, or refused untouched."""

import argparse
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import official_state_dict
from mmengine.logging import MMLogger
from official import OFFICIAL, build
from safetensors.torch import save_file
from torch import Tensor, nn

from vitdense.checkpoint import CheckpointError, load_backbone
from vitdense.checkpoint.matching.recognise import best_match
from vitdense.checkpoint.matching.rules import Layout, NameMatch

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


@pytest.mark.parametrize('name', ['t2t_vit_7', 't2t_vit_t_14'])
def test_averaged_weights_are_taken(
    tmp_path: Path,
    name: str,
) -> None:
    """As T2T-ViT is published: beside others, wrapped."""
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
    model = build(family, arch=arch)
    report = load_backbone(model, str(path))
    assert report.notes == (
        "took 'state_dict_ema' (also there: state_dict)",
        "stripped 'module.'",
    )
    loaded = model.state_dict()
    for ours, official in {
        'stages.2.pos_embed': 'pos_embed',
        'stages.2.blocks.6.norm1.bias': 'blocks.6.norm1.bias',
        'stages.0.patch_embed.norm.bias': (
            'tokens_to_token.attention1.norm1.bias'
        ),
    }.items():
        assert torch.equal(loaded[ours], weights[official])
    fused = weights['blocks.3.attn.qkv.weight'].chunk(3)
    part = 'stages.2.blocks.3.attn.qkv.'
    assert torch.equal(loaded[f'{part}q.weight'], fused[0])
    assert torch.equal(loaded[f'{part}kv.weight'], torch.cat(fused[1:]))


def test_each_name_is_matched_once(
    official_file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the layout that the file has; counted in official files."""
    asked: Counter[str] = Counter()
    match = Layout.match

    def count(self: Layout, name: str) -> NameMatch | None:
        asked[name] += self.title == 'official PVTv2'
        return match(self, name)

    monkeypatch.setattr(Layout, 'match', count)
    load_backbone(build('pvt', arch='v2-b0'), official_file('pvt_v2_b0'))
    assert len(asked) == 178
    assert set(asked.values()) == {1}


def test_one_log_line(tmp_path: Path) -> None:
    model = randomised(build('pvt', arch=TINY))
    path = tmp_path / 'own.pth'
    torch.save(model.state_dict(), path)
    target = build('pvt', arch=TINY)
    lines: list[str] = []
    listener: Any = logging.Handler()
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
    source: Any = randomised(build('pvt', arch=TINY))
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
    grey = torch.randn(1, 64 * 64, 1)
    own = source.stages[0].patch_embed(grey.expand(-1, -1, 3), (64, 64))[0]
    theirs = model.stages[0].patch_embed(grey, (64, 64))[0]
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


def test_names_that_another_family_has_more_of_are_told(
    tmp_path: Path,
) -> None:
    """vitdense's own names are alike; PVT has more that T2T-ViT has not."""
    path = tmp_path / 'pvt.pth'
    torch.save(build('pvt', arch='v2-b0').state_dict(), path)
    model = build('t2t', arch='pyramid-t')
    told = 'another family: 176 of 176 names are those of vitdense PVTv2'
    with pytest.raises(CheckpointError, match=told):
        load_backbone(model, str(path))


def test_family_without_layouts_is_no_crash() -> None:
    layout = best_match({'weight'}, ()).layout
    assert layout.title == 'none'


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


def test_model_on_meta_gets_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / 'own.pth'
    own = randomised(build('pvt', arch=TINY))
    torch.save(own.state_dict(), path)
    with torch.device('meta'):
        model = build('pvt', arch=TINY, frozen_stages=1)
    load_backbone(model, str(path))
    assert_untouched(model, own.state_dict())
    frozen = build('pvt', arch=TINY, frozen_stages=1)
    learned = [p.requires_grad for p in frozen.parameters()]
    assert [p.requires_grad for p in model.parameters()] == learned


def test_nothing_stays_on_meta(tmp_path: Path) -> None:
    """What the file lacks has no initial values there."""
    path = tmp_path / 'own.pth'
    torch.save(build('pvt', arch=TINY).state_dict(), path)
    with torch.device('meta'):
        model = build('pvt', arch=TINY)
    model.register_buffer('more', torch.empty(3, device='meta'), False)
    with pytest.raises(CheckpointError, match='none for more'):
        load_backbone(model, str(path))
    assert all(p.is_meta for p in model.parameters())
