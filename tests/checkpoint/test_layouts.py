"""Models of other libraries, with random weights: the outputs agree.

Their weights are saved to a file and loaded into ours by its layout.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
import transformers
from golden import official_state_dict
from official import build
from torch import Tensor, nn

from vitdense.checkpoint import LoadReport, load_backbone
from vitdense.checkpoint.load import check_fit, shapes
from vitdense.checkpoint.unwrap import Unwrapped, unwrap

DEPTHS = (1, 2, 1, 1)
PVT = {
    'dims': (8, 16, 24, 32),
    'depths': DEPTHS,
    'heads': (1, 2, 3, 4),
    'mlp_ratios': (4, 4, 2, 2),
}


def randomise(model: nn.Module) -> nn.Module:
    """Give every tensor values that leave a trace in the output."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.normal_(0, scale, generator=generator)
            if name.endswith(('running_var', 'norm.weight')):
                tensor.abs_().add_(1)
    return model.eval()


def load(
    path: Path, weights: Mapping[str, Tensor], model: nn.Module
) -> LoadReport:
    torch.save(dict(weights), path)
    report = load_backbone(model, str(path))
    assert report.matched + len(report.initial) == report.total
    assert_each_is_needed(weights, model)
    model.eval()
    return report


def assert_each_is_needed(
    weights: Mapping[str, Tensor], model: nn.Module
) -> None:
    """A file without any one of its tensors does not fit."""
    if len(weights) > 250:  # of a full size, damaged in test_plan.py
        return
    held = unwrap(weights).tensors
    wanted = shapes(model.state_dict())
    for name in held:
        rest = Unwrapped({k: v for k, v in held.items() if k != name})
        problems = check_fit(rest, 'x', model.family, wanted).problems
        assert f'missing: {name} ' in '\n'.join(problems)


def assert_equal(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        error = (one - other).abs().max() / other.std()
        assert error < 1e-5, f'{error:.1e}'


def images(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=generator)


@torch.no_grad()
def test_transformers_pvt(tmp_path: Path) -> None:
    config = transformers.PvtConfig(
        hidden_sizes=PVT['dims'],
        depths=DEPTHS,
        num_attention_heads=PVT['heads'],
        mlp_ratios=PVT['mlp_ratios'],
        num_labels=5,
    )
    theirs = randomise(transformers.PvtForImageClassification(config))
    # transformers gives every norm the eps that is the official one of
    # blocks only
    for name, module in theirs.named_modules():
        if isinstance(module, nn.LayerNorm) and (
            'patch_embeddings' in name or 'attention' in name
        ):
            module.eps = 1e-5
    ours = build('pvt', arch={'design': 'v1', **PVT})
    report = load(tmp_path / 'x.bin', theirs.state_dict(), ours)
    assert report.layout == "transformers' PVT"
    dropped = dict(report.dropped)
    assert dropped['classifier.weight'] == 'classifier'
    assert len(dropped) == 5
    x = images(224, 224)  # the only size it runs at
    levels = []
    encoder = theirs.pvt.encoder
    for embed, blocks in zip(
        encoder.patch_embeddings, encoder.block, strict=True
    ):
        # without the class token, as in detection
        x = embed.projection(x)
        h, w = x.shape[2:]
        tokens = embed.layer_norm(x.flatten(2).mT)
        tokens = tokens + embed.position_embeddings[:, -h * w :]
        for block in blocks:
            tokens = block(tokens, h, w, False)[0]
        x = tokens.mT.unflatten(2, (h, w))
        levels.append(x)
    assert_equal(ours(images(224, 224)), levels)


@pytest.mark.parametrize('linear', [False, True])
@torch.no_grad()
def test_transformers_pvt_v2(tmp_path: Path, linear: bool) -> None:
    config = transformers.PvtV2Config(
        hidden_sizes=PVT['dims'],
        depths=DEPTHS,
        num_attention_heads=PVT['heads'],
        mlp_ratios=PVT['mlp_ratios'],
        linear_attention=linear,
    )
    theirs = randomise(transformers.PvtV2ForImageClassification(config))
    for name, module in theirs.named_modules():
        if isinstance(module, nn.LayerNorm) and (
            'patch_embedding' in name or 'attention' in name
        ):
            module.eps = 1e-5
    design = 'v2-li' if linear else 'v2'
    ours = build('pvt', arch={'design': design, **PVT})
    report = load(tmp_path / 'x.bin', theirs.state_dict(), ours)
    assert report.layout == "transformers' PVTv2"
    x = images(64, 96)
    output = theirs.pvt_v2(x, output_hidden_states=True)
    assert_equal(ours(x), output.hidden_states)


@torch.no_grad()
def test_transformers_cvt(tmp_path: Path) -> None:
    config = transformers.CvtConfig(
        embed_dim=[8, 16, 24],
        depth=[1, 2, 3],
        num_heads=[1, 2, 3],
        drop_path_rate=[0.0, 0.0, 0.0],
        layer_norm_eps=1e-5,
    )
    theirs = randomise(transformers.CvtForImageClassification(config))
    for module in theirs.modules():
        if type(module).__name__ == 'CvtIntermediate':
            # the activation that the weights were trained with
            module.activation = QuickGELU()
    arch = {'dims': (8, 16, 24), 'depths': (1, 2, 3), 'heads': (1, 2, 3)}
    ours = build('cvt', arch=arch)
    report = load(tmp_path / 'x.bin', theirs.state_dict(), ours)
    assert report.layout == "transformers' CvT"
    assert 'official weights under other names' in str(report)
    x = images(64, 96)
    output = theirs.cvt(x, output_hidden_states=True)
    assert_equal(ours(x), output.hidden_states)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


TIMM = (
    (r'patch_embed1\.', 'patch_embed.'),
    (r'patch_embed(\d)\.', 'stages.{}.downsample.'),
    (r'block(\d)\.', 'stages.{}.blocks.'),
    (r'norm(\d)\.(?!.*norm)', 'stages.{}.norm.'),
    (r'mlp\.dwconv\.dwconv\.', 'mlp.dwconv.'),
)


def timm_name(official: str) -> str:
    """timm's PVTv2 renames the official parts and nothing else."""
    for pattern, name in TIMM:
        match = re.match(pattern, official)
        if match:
            number = int(match[1]) - 1 if match.groups() else 0
            official = name.format(number) + official[match.end() :]
    return official.replace('mlp.dwconv.dwconv.', 'mlp.dwconv.')


@pytest.mark.parametrize(
    ('name', 'arch'), [('pvt_v2_b0', 'v2-b0'), ('pvt_v2_b2_li', 'v2-b2-li')]
)
def test_timm_pvt_v2(
    shared: Path, tmp_path: Path, name: str, arch: str
) -> None:
    weights = official_state_dict(shared, name)
    renamed = {timm_name(key): tensor for key, tensor in weights.items()}
    assert 'stages.3.downsample.proj.weight' in renamed
    assert 'stages.0.blocks.1.mlp.dwconv.bias' in renamed
    ours, expected = build('pvt', arch=arch), build('pvt', arch=arch)
    report = load(tmp_path / 'timm.pth', renamed, ours)
    assert report.layout == "timm's PVTv2"
    load(tmp_path / 'official.pth', weights, expected)
    assert_same_weights(ours, expected)


@pytest.mark.parametrize('design', ['v1', 'v2'])
@torch.no_grad()
def test_mmdet_pvt(tmp_path: Path, design: str) -> None:
    from mmdet.models.backbones import pvt

    kind = {
        'v1': pvt.PyramidVisionTransformer,
        'v2': pvt.PyramidVisionTransformerV2,
    }[design]
    theirs = kind(
        embed_dims=8,
        num_layers=DEPTHS,
        num_heads=(1, 2, 3, 4),
        mlp_ratios=PVT['mlp_ratios'],
    )
    for name, module in randomise(theirs).named_modules():
        # mmdet gives them the eps that is the official one of blocks
        if isinstance(module, nn.LayerNorm) and (
            name.endswith(('0.norm', 'attn.norm'))
        ):
            module.eps = 1e-5
    arch = {'design': design, **PVT, 'dims': (8, 16, 24, 32)}
    ours = build('pvt', arch=arch)
    report = load(tmp_path / 'x.pth', theirs.state_dict(), ours)
    assert report.layout.startswith("mmdet's converted PVT")
    x = images(224, 224)
    assert_equal(ours(x), theirs(x))


class PlainAttention(nn.Module):
    def __init__(self, dim_in: int, dim: int, heads: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim_in, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.heads, self.scale = heads, (dim_in // heads) ** -0.5

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attention = (q @ k.mT * self.scale).softmax(-1)
        joined = (attention @ v).transpose(1, 2).flatten(2)
        return self.proj(joined), v.transpose(1, 2).flatten(2)


class PlainFFN(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(dim, hidden), nn.GELU())
        self.layers = nn.Sequential(first, nn.Linear(hidden, dim))


class PlainLayer(nn.Module):
    def __init__(self, dim_in: int, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim_in), nn.LayerNorm(dim)
        self.attn = PlainAttention(dim_in, dim, heads)
        self.ffn = PlainFFN(dim, ratio * dim)

    def forward(self, x: Tensor) -> Tensor:
        out, v = self.attn(self.ln1(x))
        x = out + (x if x.shape == v.shape and self.attn.heads > 1 else v)
        return x + self.ffn.layers(self.ln2(x))


class PlainT2T(nn.Module):
    """T2T-ViT_t as the paper has it, with mmpretrain's names.

    mmpretrain's own class divides by the attention's scale instead of
    multiplying; with that turned right it agrees with ours too.
    """

    def __init__(self, dim: int = 24, token_dim: int = 8) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_buffer('pos_embed', torch.zeros(1, 197, dim))
        self.tokens_to_token = nn.Module()
        module = self.tokens_to_token
        module.attention1 = PlainLayer(147, token_dim, 1, 1)
        module.attention2 = PlainLayer(9 * token_dim, token_dim, 1, 1)
        module.project = nn.Linear(9 * token_dim, dim)
        self.encoder = nn.ModuleList(PlainLayer(dim, dim, 3, 2) for _ in '12')
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels, module = [], self.tokens_to_token
        tokens = nn.functional.unfold(x, 7, 1, 2, 4).mT
        for side, layer in (
            (56, module.attention1),
            (28, module.attention2),
        ):
            x = layer(tokens).mT.unflatten(2, (side, side))
            levels.append(x)
            tokens = nn.functional.unfold(x, 3, 1, 1, 2).mT
        tokens = module.project(tokens)
        first = self.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat((first, tokens), 1) + self.pos_embed
        for layer in self.encoder:
            tokens = layer(tokens)
        level = self.norm(tokens)[:, 1:].mT.unflatten(2, (14, 14))
        return [*levels, level]


@torch.no_grad()
def test_mmpretrain_t2t(tmp_path: Path) -> None:
    theirs = randomise(PlainT2T())
    arch = {
        'design': 'transformer',
        'dims': (8, 8, 24, 24),
        'depths': (1, 1, 2, 1),
        'heads': (1, 1, 3, 3),
        'mlp_ratios': (1, 1, 2, 2),
    }
    ours = build('t2t', arch=arch)
    before = {k: v.clone() for k, v in ours.stages[3].state_dict().items()}
    weights = {f'backbone.{k}': v for k, v in theirs.state_dict().items()}
    weights['head.layers.head.weight'] = torch.zeros(5, 24)
    report = load(tmp_path / 'x.pth', weights, ours)
    assert report.layout == "mmpretrain's T2T-ViT_t"
    assert dict(report.dropped) == {
        'head.layers.head.weight': 'head, outside the backbone'
    }
    assert {f'stages.3.{name}' for name in before} == set(report.initial)
    for name, tensor in ours.stages[3].state_dict().items():
        assert torch.equal(tensor, before[name])
    x = images(224, 224)
    assert_equal(ours(x)[:3], theirs(x))


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    expected = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
