"""Plain ViTs of timm and transformers, with random weights: ours agree."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from golden import official_state_dict
from torch import Tensor, nn

from vitdense.backbones.vit import ViT
from vitdense.checkpoint import (
    CheckpointError,
    convert_checkpoint,
    load_backbone,
)

SMALL = {'dim': 16, 'depth': 2, 'heads': 2, 'mlp_ratio': 2, 'position_px': 64}
V2 = {**SMALL, 'patch': 14, 'position_px': 56, 'layer_scale': 1.0}
V3 = {
    **SMALL,
    'positions': 'rotary',
    'class_slot': False,
    'layer_scale': 1.0,
    'norm_eps': 1e-5,
    'registers': 4,
}
DINOV2 = "transformers' Dinov2 or Dinov2WithRegisters"
CONFIG: dict[str, Any] = {
    'hidden_size': 16,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'image_size': 64,
}


def randomise(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
        tensor.normal_(0, scale, generator=generator)
    return model.eval()


def images(hw: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, *hw, generator=torch.Generator().manual_seed(1))


def assert_agrees(
    path: Path,
    weights: Mapping[str, Tensor],
    arch: Any,
    layout: str,
    x: Tensor,
    tokens: Tensor,
) -> None:
    """Ours, loaded from a file of theirs, ends in their normed tokens."""
    torch.save(dict(weights), path)
    ours = ViT(arch).eval()
    report = load_backbone(ours, str(path))
    assert report.layout == layout
    assert report.matched == report.total
    level = ours(x)[-1].flatten(2).mT
    theirs = tokens[:, tokens.shape[1] - level.shape[1] :]
    error = (level - theirs).abs().max() / theirs.std()
    assert error < 1e-5, f'{error:.1e}'
    ends = ('norm1.bias', 'layernorm_before.bias')
    key = next(k for k in weights if k.endswith(ends))
    torch.save({k: t for k, t in weights.items() if k != key}, path)
    with pytest.raises(CheckpointError, match=f'missing: {key} '):
        load_backbone(ours, str(path))


TRANSFORMERS: dict[str, tuple[str, dict[str, Any], Any, tuple[int, int]]] = {
    "transformers' Dinov2": (
        'Dinov2',
        {'patch_size': 14, 'mlp_ratio': 2, 'image_size': 56},
        {**V2, 'resize': 'bicubic'},
        (56, 70),
    ),
    "transformers' Dinov2, SwiGLU": (
        'Dinov2',
        {'patch_size': 14, 'use_swiglu_ffn': True, 'image_size': 56},
        {**V2, 'resize': 'bicubic', 'mlp': 'swiglu', 'mlp_ratio': 3},
        (56, 56),
    ),
    "transformers' Dinov2WithRegisters": (
        'Dinov2WithRegisters',
        {'patch_size': 14, 'mlp_ratio': 2, 'image_size': 56},
        {**V2, 'resize': 'bicubic-antialias', 'registers': 4},
        (56, 56),
    ),
    "transformers' DINOv3ViT": (
        'DINOv3ViT',
        {'intermediate_size': 32, 'num_register_tokens': 4},
        V3,
        (64, 96),
    ),
    "transformers' DINOv3ViT, gated": (
        'DINOv3ViT',
        {
            'intermediate_size': 32,
            'num_register_tokens': 4,
            'use_gated_mlp': True,
            'hidden_act': 'silu',
        },
        {**V3, 'mlp': 'swiglu'},
        (64, 96),
    ),
    "transformers' ViT": (
        'ViT',
        {'intermediate_size': 32, 'layer_norm_eps': 1e-6},
        SMALL,
        (64, 64),
    ),
}


@pytest.mark.parametrize('layout', TRANSFORMERS)
@torch.no_grad()
def test_transformers(tmp_path: Path, layout: str) -> None:
    name, settings, arch, hw = TRANSFORMERS[layout]
    config = getattr(transformers, f'{name}Config')(**{**CONFIG, **settings})
    model: Any = randomise(getattr(transformers, f'{name}Model')(config))
    x = images(hw)
    assert_agrees(
        tmp_path / 'x.bin',
        model.state_dict(),
        arch,
        DINOV2 if 'Dinov2' in layout else layout,
        x,
        model(x).last_hidden_state,
    )


def test_shards_of_transformers(tmp_path: Path) -> None:
    """As its ``save_pretrained`` divides large models."""
    name, settings, arch, _ = TRANSFORMERS["transformers' DINOv3ViT"]
    config = getattr(transformers, f'{name}Config')(**{**CONFIG, **settings})
    whole: Any = randomise(getattr(transformers, f'{name}Model')(config))
    whole.save_pretrained(tmp_path / 'shards', max_shard_size='10KB')
    assert len(list((tmp_path / 'shards').glob('*.safetensors'))) > 2
    torch.save(whole.state_dict(), tmp_path / 'x.bin')
    models = [ViT(arch), ViT(arch)]
    for model, source in zip(models, ('shards', 'x.bin'), strict=True):
        load_backbone(model, str(tmp_path / source))
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(second[n], t) for n, t in first.items())


@torch.no_grad()
def test_names_of_older_files_of_transformers(tmp_path: Path) -> None:
    config = transformers.Dinov2Config(
        **CONFIG, patch_size=14, use_swiglu_ffn=True
    )
    model: Any = randomise(transformers.Dinov2Model(config))
    older = {
        'q_proj': 'attention.query',
        'k_proj': 'attention.key',
        'v_proj': 'attention.value',
        'o_proj': 'output.dense',
        'down_proj': 'weights_out',
    }
    weights = {}
    for key, tensor in model.state_dict().items():
        name, whole = key, tensor
        for now, before in older.items():
            name = name.replace(f'.{now}.', f'.{before}.')
        if '.gate_proj.' in name:
            up = model.state_dict()[key.replace('gate', 'up')]
            name = name.replace('gate_proj', 'weights_in')
            whole = torch.cat((tensor, up))
        if '.up_proj.' not in name:
            weights[name] = whole
    arch = {**V2, 'mlp': 'swiglu', 'mlp_ratio': 3, 'position_px': 64}
    assert_agrees(
        tmp_path / 'x.bin',
        weights,
        arch,
        DINOV2,
        images((56, 56)),
        model(images((56, 56))).last_hidden_state,
    )


TIMM = {
    'vit_tiny_patch16_224': (
        'official DeiT, DeiT III or MAE',
        {'dim': 192, 'depth': 2, 'heads': 3},
        (224, 224),
    ),
    'deit3_small_patch16_224': (
        "timm's ViT",
        {
            'dim': 384,
            'depth': 2,
            'heads': 6,
            'class_slot': False,
            'layer_scale': 1.0,
        },
        (224, 224),
    ),
    'vit_small_patch14_dinov2': (
        "timm's ViT",
        {
            'dim': 384,
            'depth': 2,
            'heads': 6,
            'layer_scale': 1.0,
            'patch': 14,
            'position_px': 518,
        },
        (518, 518),
    ),
    'vit_small_patch16_dinov3_qkvb': (
        "timm's DINOv3",
        {**V3, 'dim': 384, 'heads': 6, 'mlp_ratio': 4},
        (64, 96),
    ),
    'vit_small_plus_patch16_dinov3': (
        "timm's DINOv3",
        {
            **V3,
            'dim': 384,
            'heads': 6,
            'mlp_ratio': 4,
            'mlp': 'swiglu',
            'qkv_bias': False,
        },
        (64, 96),
    ),
}
Run = tuple[Mapping[str, Tensor], Tensor]


@pytest.fixture(scope='module')
def timm_runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Run]:
    """Weights and normed tokens of timm's models, run in a process apart."""
    file = tmp_path_factory.mktemp('timm') / 'runs.pth'
    asked = [f'{n}:{h}x{w}' for n, (_, _, (h, w)) in TIMM.items()]
    script = Path(__file__).with_name('timm_models.py')
    command = [sys.executable, str(script), str(file), *asked]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    runs: Mapping[str, Run] = torch.load(file, weights_only=True)
    return runs


@pytest.mark.parametrize('name', TIMM)
@torch.no_grad()
def test_timm(timm_runs: Mapping[str, Run], tmp_path: Path, name: str) -> None:
    layout, arch, hw = TIMM[name]
    weights, tokens = timm_runs[name]
    assert_agrees(
        tmp_path / 'x.pth', weights, arch, layout, images(hw), tokens
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', ['dinov3_vits16plus', 'dinov2_vits14_reg', 'cct_7_3x1_32']
)
def test_there_and_back(tmp_path: Path, name: str) -> None:
    """What is masked out of an official file comes back as zeros."""
    official = official_state_dict(name)
    paths: Sequence[Path] = [
        tmp_path / each for each in ('x.pth', 'own.safetensors', 'back.pth')
    ]
    torch.save(official, paths[0])
    convert_checkpoint(str(paths[0]), paths[1])
    convert_checkpoint(str(paths[1]), paths[2], to='official')
    back = torch.load(paths[2], weights_only=True)
    assert back.keys() == official.keys()
    for key, tensor in official.items():
        expected = tensor
        if key.endswith('attn.qkv.bias') and name.startswith('dinov3'):
            expected = tensor * official[f'{key}_mask']
        assert torch.equal(back[key], expected), key
