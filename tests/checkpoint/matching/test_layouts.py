"""Models of other libraries, with random weights: the outputs agree.

Their weights are saved to a file and loaded into ours by its layout.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from official import build
from random_models import images, randomise
from torch import Tensor, nn

from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.checkpoint import LoadReport, load_backbone
from vitdense.checkpoint.load import match_names, plan_load, shapes_of
from vitdense.checkpoint.matching.recognise import MatchedNames
from vitdense.checkpoint.reading.unwrap import BackboneTensors, unwrap

# Models to run, and the sizes of images
FOREIGN = {
    'timm': ('timm:pvt_v2_b0:64x96', 'timm:pvt_v2_b2_li:64x96'),
    'mmpretrain': (
        'mmpretrain:T2T_ViT:224x224',
        'mmpretrain:T2T_ViT:96x160',
    ),
}
Run = tuple[Mapping[str, Tensor], Sequence[Tensor]]
DEPTHS = (1, 2, 1, 1)
PVT = {
    'dims': (8, 16, 24, 32),
    'depths': DEPTHS,
    'heads': (1, 2, 3, 4),
    'mlp_ratios': (4, 4, 2, 2),
}


def load(
    path: Path, weights: Mapping[str, Tensor], model: PyramidBackbone
) -> LoadReport:
    torch.save(dict(weights), path)
    report = load_backbone(model, str(path))
    assert report.matched + len(report.initial) == report.total
    assert_each_is_needed(weights, model)
    model.eval()
    return report


def assert_each_is_needed(
    weights: Mapping[str, Tensor], model: PyramidBackbone
) -> None:
    """A file without any one of its tensors does not fit."""
    if len(weights) > 250:  # of a full size, damaged in test_plan.py
        return
    held = unwrap(weights)
    names = match_names(held, 'x', [model.family])[model.family]
    wanted = shapes_of(model.state_dict())
    for name in held.tensors:
        tensors, matches = dict(held.tensors), dict(names.matches)
        del tensors[name], matches[name]
        rest = MatchedNames(names.layout, matches)
        plan = plan_load(BackboneTensors(tensors), rest, wanted)
        assert f'missing: {name} ' in '\n'.join(plan.problems)


def assert_equal(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        error = (one - other).abs().max() / other.std()
        assert error < 1e-5, f'{error:.1e}'


@pytest.fixture(scope='module')
def foreign_runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Mapping[str, Run]]:
    """Runs of a library's models, each with its weights and levels.

    They run in a process of their own, one for each library.
    """
    script = Path(__file__).parents[1] / 'foreign.py'

    @cache
    def run(library: str) -> Mapping[str, Run]:
        file = tmp_path_factory.mktemp('foreign') / f'{library}.pth'
        command = [sys.executable, str(script), str(file), *FOREIGN[library]]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return torch.load(file, weights_only=True)

    return run


@torch.no_grad()
def test_transformers_pvt(tmp_path: Path) -> None:
    config = transformers.PvtConfig(
        hidden_sizes=PVT['dims'],
        depths=DEPTHS,
        num_attention_heads=PVT['heads'],
        mlp_ratios=PVT['mlp_ratios'],
        num_labels=5,
    )
    theirs: Any = randomise(transformers.PvtForImageClassification(config))
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
    theirs: Any = randomise(transformers.PvtV2ForImageClassification(config))
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
    theirs: Any = randomise(transformers.CvtForImageClassification(config))
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


@pytest.mark.parametrize(
    ('name', 'arch'), [('pvt_v2_b0', 'v2-b0'), ('pvt_v2_b2_li', 'v2-b2-li')]
)
@torch.no_grad()
def test_timm_pvt_v2(
    foreign_runs: Callable[[str], Mapping[str, Run]],
    tmp_path: Path,
    name: str,
    arch: str,
) -> None:
    weights, levels = foreign_runs('timm')[f'timm:{name}:64x96']
    ours = build('pvt', arch=arch)
    report = load(tmp_path / 'x.pth', weights, ours)
    assert report.layout == "timm's PVTv2"
    assert {reason for _, reason in report.dropped} == {'classifier'}
    assert_equal(ours(images(64, 96)), levels)


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


@pytest.mark.parametrize('hw', [(224, 224), (96, 160)])
@torch.no_grad()
def test_mmpretrain_t2t(
    foreign_runs: Callable[[str], Mapping[str, Run]],
    tmp_path: Path,
    hw: tuple[int, int],
) -> None:
    runs = foreign_runs('mmpretrain')
    held, levels = runs[f'mmpretrain:T2T_ViT:{hw[0]}x{hw[1]}']
    arch = {
        'design': 'transformer',
        'dims': (8, 8, 24, 24),
        'depths': (1, 1, 3, 1),
        'heads': (1, 1, 3, 3),
        'mlp_ratios': (1, 1, 2, 2),
    }
    ours = build('t2t', arch=arch)
    before = {k: v.clone() for k, v in ours.stages[3].state_dict().items()}
    weights = {f'backbone.{k}': v for k, v in held.items()}
    weights['head.layers.head.weight'] = torch.zeros(5, 24)
    report = load(tmp_path / 'x.pth', weights, ours)
    assert report.layout == "mmpretrain's T2T-ViT_t"
    assert dict(report.dropped) == {
        'head.layers.head.weight': 'head, outside the backbone'
    }
    assert {f'stages.3.{name}' for name in before} == set(report.initial)
    for name, tensor in ours.stages[3].state_dict().items():
        assert torch.equal(tensor, before[name])
    assert_equal(ours(images(*hw))[:3], levels)
