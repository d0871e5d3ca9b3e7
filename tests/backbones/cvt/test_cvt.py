"""CvT: contract, golden outputs, parameter counts, sizes, parity."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract import BackboneContract, images
from golden import assert_golden, draw, golden_images
from torch import Tensor, nn
from transformers import CvtConfig, CvtModel

from vitdense.backbones.cvt import CvT
from vitdense.backbones.cvt.archs import ARCHS

SMALL = {
    'dims': (8, 16, 24),
    'depths': (1, 2, 3),
    'heads': (1, 2, 3),
    'mlp_ratios': (4, 4, 2),
}


class TestCvT(BackboneContract):
    registered = 'vitdense.CvT'
    arch = SMALL
    strides = (4, 8, 16)
    kernels = ((7, 4, 2), (3, 2, 1), (3, 2, 1))


@pytest.fixture(scope='module')
def official(official_file: Callable[[str], str]) -> CvT:
    """CvT-13 with the documented weights."""
    config = {
        'type': 'Pretrained',
        'checkpoint': official_file('cvt_13'),
    }
    model = CvT('13', drop_path_rate=0.0, norm_eval=True, init_cfg=config)
    model.init_weights()
    return model


@pytest.mark.parametrize('hw', [(224, 224), (100, 132)])
@pytest.mark.parametrize('train', [False, True])
def test_golden(official: CvT, hw: tuple[int, int], train: bool) -> None:
    with torch.set_grad_enabled(train):
        levels = official.train(train)(golden_images(hw))
    assert_golden(levels, f'cvt_13_{hw[0]}x{hw[1]}')


# Classifiers in millions, by running the official code
PARAMETERS = {'13': 19.997, '21': 31.623, 'w24': 277.196}


@pytest.mark.parametrize('arch', sorted(ARCHS))
def test_parameters(arch: str) -> None:
    with torch.device('meta'):
        model = CvT(arch)
        width = model.out_channels[-1]
        dropped = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1000))
    count = sum(
        p.numel() for part in (model, dropped) for p in part.parameters()
    )
    assert round(count / 1e6, 3) == PARAMETERS[arch]


@pytest.mark.parametrize(
    'hw',
    [
        (224, 224),
        (448, 448),
        (896, 896),
        (224, 896),
        (500, 333),
        (250, 333),
        (256, 320),
    ],
)
def test_sizes(hw: tuple[int, int]) -> None:
    with torch.device('meta'):
        levels = CvT('13')(torch.empty(1, 3, *hw))
    rows, cols = hw[0] // 4, hw[1] // 4
    for level, channels in zip(levels, (64, 192, 384), strict=True):
        assert tuple(level.shape) == (1, channels, rows, cols)
        rows, cols = -(-rows // 2), -(-cols // 2)


def test_published_sizes_of_33_pixels() -> None:
    with torch.no_grad():
        levels = CvT(SMALL).eval()(images(33, 47))
    assert [tuple(level.shape[2:]) for level in levels] == [
        (8, 12),
        (4, 6),
        (2, 3),
    ]


def test_drop_path_ramps_within_the_last_stage() -> None:
    for arch, rate in (('13', 0.1), ('w24', 0.3)):
        with torch.device('meta'):
            model = CvT(arch)
        first, second, third = (
            [block.drop_path.rate for block in stage.blocks]
            for stage in model.stages
        )
        assert not any(first + second)
        last = len(third) - 1
        assert third == pytest.approx(
            [rate * i / last for i in range(last + 1)]
        )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'dims': (8, 16)}, 'depths'),
        ({'heads': (3, 2, 3)}, r'heads=\(3, .* must divide dims'),
        ({'depths': (2, 0, 1)}, 'depths'),
        ({'dephts': (1, 1, 1)}, 'dephts'),
    ],
)
def test_bad_mapping(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CvT({**SMALL, **change})


@pytest.mark.parametrize(
    ('norm_cfg', 'error', 'message'),
    [
        ({'type': 'GN'}, ValueError, r"'GN'.*\['BN', 'SyncBN'\]"),
        ({}, ValueError, r"None.*\['BN', 'SyncBN'\]"),
        ({'type': 'BN', 'num_groups': 8}, ValueError, 'num_groups.*eps'),
        ('BN', TypeError, "norm_cfg='BN'"),
    ],
)
def test_bad_norm_cfg(
    norm_cfg: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CvT(SMALL, norm_cfg=norm_cfg)


def batch_norms(model: CvT) -> list[Any]:
    """The BatchNorms of the projections."""
    return [m for name, m in model.named_modules() if name.endswith('.bn')]


def test_norm_cfg() -> None:
    norm_cfg = {
        'type': 'SyncBN',
        'eps': 1e-3,
        'momentum': 0.02,
        'requires_grad': False,
    }
    norms = batch_norms(CvT(SMALL, norm_cfg=norm_cfg))
    assert len(norms) == 3 * sum(SMALL['depths'])
    for norm in norms:
        assert type(norm) is nn.SyncBatchNorm
        assert (norm.eps, norm.momentum) == (1e-3, 0.02)
        assert not any(p.requires_grad for p in norm.parameters())


def test_sync_bn_alone_is_bn() -> None:
    batch = images(64, 64, batch=2)
    outputs = []
    for kind in ('BN', 'SyncBN'):
        torch.manual_seed(0)
        model = CvT(SMALL, drop_path_rate=0.0, norm_cfg={'type': kind})
        outputs.append([*model.train()(batch), *model.eval()(batch)])
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other)


def test_norm_eval_keeps_statistics_and_learns_the_affine() -> None:
    model = CvT(SMALL, norm_eval=True).train()
    norms = batch_norms(model)
    before = [norm.running_mean.clone() for norm in norms]
    levels = model(images(64, 64, batch=2))
    sum(level.square().mean() for level in levels).backward()
    for norm, mean in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)
        assert norm.weight.grad.any()


def test_checkpointing_counts_a_batch_once() -> None:
    results = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = CvT(SMALL, drop_path_rate=0.0, with_cp=with_cp).train()
        torch.manual_seed(1)
        levels = model(images(64, 64, batch=2))
        sum(level.square().mean() for level in levels).backward()
        results.append(dict(model.named_buffers()))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value)


TRANSFORMERS_NAMES = (
    (r'encoder\.stages\.(\d)\.', r'stages.\1.'),
    (r'embedding\.convolution_embeddings\.projection', 'patch_embed.proj'),
    (r'embedding\.convolution_embeddings\.norm\w+', 'patch_embed.norm'),
    (r'layers\.(\d+)\.', r'blocks.\1.'),
    (r'attention\.attention\.', 'attn.qkv.'),
    (
        r'convolution_projection_([qkv])\w+\.convolution_projection',
        r'conv_\1',
    ),
    (r'\.convolution\.', '.conv.'),
    (r'\.normalization\.', '.bn.'),
    (r'projection_([qkv])\w+\.', r'\1.'),
    (r'attention\.output\.dense', 'attn.proj'),
    (r'intermediate\.dense', 'mlp.fc1'),
    (r'output\.dense', 'mlp.fc2'),
    (r'layernorm_before', 'norm1'),
    (r'layernorm_after', 'norm2'),
)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def test_agrees_with_transformers_given_quick_gelu() -> None:
    torch.manual_seed(0)
    config = CvtConfig(
        embed_dim=list(SMALL['dims']),
        num_heads=list(SMALL['heads']),
        depth=list(SMALL['depths']),
        mlp_ratio=[float(ratio) for ratio in SMALL['mlp_ratios']],
    )
    theirs = CvtModel(config).eval()
    drawn = {
        name: draw(name, value.shape)
        for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(drawn)
    weights = {}
    for name, value in drawn.items():
        for pattern, target in TRANSFORMERS_NAMES:
            name = re.sub(pattern, target, name)
        weights[name] = value
    ours = CvT(SMALL).eval()
    ours.load_state_dict(weights)
    batch = images(64, 100, batch=2)

    def difference() -> list[float]:
        with torch.no_grad():
            expected = theirs(batch, output_hidden_states=True).hidden_states
            levels = ours(batch)
        return [
            float((one - other).abs().max() / other.std())
            for one, other in zip(levels, expected, strict=True)
        ]

    assert max(difference()) > 1e-3
    for stage in theirs.encoder.stages:
        for layer in stage.layers:
            layer.intermediate.activation = QuickGELU()
    assert max(difference()) < 1e-5
