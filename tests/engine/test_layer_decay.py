"""Learning rates by depth, for every family."""

from collections.abc import Callable
from typing import Any

import pytest
from designs import DESIGNS
from mmengine.optim import build_optim_wrapper
from small_runs import SEGMENTER, small_shapes, where
from torch import nn

import vitdense
from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training

__all__ = ['small_shapes']

CONSTRUCTOR = 'vitdense.LayerDecayOptimWrapperConstructor'


class Model(nn.Module):
    """A backbone and a head."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(4, 2)


def build(model: nn.Module, **paramwise: Any) -> Any:
    settings = {
        'optimizer': {'type': 'AdamW', 'lr': 1.0, 'weight_decay': 0.1},
        'constructor': CONSTRUCTOR,
        'paramwise_cfg': paramwise,
    }
    return build_optim_wrapper(model, settings)


def settings_of(model: nn.Module, rate: float) -> dict[str, Any]:
    """Learning rate and weight decay of each parameter, by name."""
    names = {p: name for name, p in model.named_parameters()}
    return {
        names[p]: (group['lr'], group['weight_decay'])
        for group in build(model, decay_rate=rate).optimizer.param_groups
        for p in group['params']
    }


def detectron2_depth(name: str, blocks: int) -> int:
    """By detectron2's rule of a plain ViT's names."""
    if 'patch_embed' in name:
        return 0
    # every block is a stage
    found = name.partition('stages.')[2].partition('.')[0]
    return int(found) + 1 if found else blocks + 1


def test_plain_vits_as_in_vitdet() -> None:
    model = Model(vitdense.ViT('tiny'))
    for name, (rate, _) in settings_of(model, 0.7).items():
        wanted = detectron2_depth(name.removeprefix('backbone.'), 12)
        assert rate == pytest.approx(0.7 ** (13 - wanted)), name


def test_pyramids_count_the_blocks_of_all_stages() -> None:
    depths = vitdense.PVT('v2-b0').parameter_depths()
    # stages of two blocks each
    assert depths['stages.0.patch_embed.proj.weight'] == 0
    assert depths['stages.0.blocks.1.norm1.weight'] == 2
    assert depths['stages.0.norm.bias'] == 2
    assert depths['stages.1.patch_embed.proj.bias'] == 2
    assert depths['stages.3.blocks.0.attn.proj.weight'] == 7
    assert depths['stages.3.norm.weight'] == 8
    cvt = vitdense.CvT('13').parameter_depths()
    assert cvt['stages.2.cls_token'] == 3
    v1 = vitdense.PVT('tiny').parameter_depths()
    assert v1['stages.0.pos_embed'] == 0
    assert vitdense.ViT('tiny').parameter_depths()['norm.weight'] == 13


@pytest.mark.parametrize('label', DESIGNS)
def test_every_design(label: str) -> None:
    backbone = DESIGNS[label].build()
    model = Model(backbone)
    found = settings_of(model, 0.5)
    learned = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert found.keys() == learned.keys()
    depths = backbone.parameter_depths()
    assert depths.keys() == {n for n, _ in backbone.named_parameters()}
    top = backbone.num_blocks + 1
    plain = [n for n, m in model.named_modules() if is_plain(m)]
    for name, (rate, decay) in found.items():
        depth = depths.get(name.removeprefix('backbone.'), top)
        assert rate == 0.5 ** (top - depth), name
        held, _, leaf = name.rpartition('.')
        matrix = leaf == 'weight' and held in plain
        assert decay == (0.1 if matrix else 0.0), name
    assert {0, top - 1} <= set(depths.values())


def is_plain(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.Conv2d)


def test_few_groups() -> None:
    backbone = vitdense.ViT('tiny')
    optimizer = build(Model(backbone), decay_rate=0.9).optimizer
    # depths 0 to 13, twice
    assert len(optimizer.param_groups) == 28
    model = Model(vitdense.ViT('tiny', frozen_stages=12))
    groups = build(model, decay_rate=0.9).optimizer.param_groups
    held = {id(p) for group in groups for p in group['params']}
    assert held == {id(p) for p in model.head.parameters()}


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({}, r"must have \['decay_rate'\]"),
        ({'decay_rat': 0.7}, r"must have \['decay_rate'\]"),
        ({'decay_rate': 0.7, 'norm_decay_mult': 0.0}, 'and no others'),
        ({'decay_rate': 0}, r'not in \(0, 1\]'),
        ({'decay_rate': 1.5}, r'not in \(0, 1\]'),
        ({'decay_rate': '0.7'}, r'not in \(0, 1\]'),
        ({'decay_rate': True}, r'not in \(0, 1\]'),
    ],
)
def test_bad_settings(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(Model(nn.Linear(1, 1)), **given)


def test_a_backbone_without_depths() -> None:
    with pytest.raises(ValueError, match='Conv2d tells no depths'):
        build(Model(nn.Conv2d(3, 4, 1)), decay_rate=0.7)
    with pytest.raises(ValueError, match='has no lr'):
        build_optim_wrapper(
            Model(vitdense.ViT('tiny')),
            {
                'optimizer': {'type': 'AdamW'},
                'constructor': CONSTRUCTOR,
                'paramwise_cfg': {'decay_rate': 0.7},
            },
        )


@pytest.fixture
def prepare(small_shapes: Any, tmp_path: Any) -> Callable[..., Any]:
    """Prepare a training with the constructor."""

    def run(**paramwise: Any) -> Any:
        given = where(small_shapes, SEGMENTER) | {
            'optim_wrapper.constructor': CONSTRUCTOR,
            'auto_scale_lr.enable': True,
        }
        given |= {
            f'optim_wrapper.paramwise_cfg.{name}': value
            for name, value in paramwise.items()
        }
        options = TrainOptions(
            config=str(SEGMENTER),
            work_dir=str(tmp_path / 'work'),
            cfg_options=given,
        )
        return prepare_training(options)

    return run


def test_a_training(prepare: Callable[..., Any]) -> None:
    """Options are checked, and rates scaled by the batch."""
    with pytest.raises(ValueError, match="reads 'decay_rat' there"):
        prepare(decay_rat=0.7)
    with pytest.raises(ValueError, match='and no others'):
        prepare(decay_rate=0.7, norm_decay_mult=0.0)
    prepared = prepare(decay_rate=0.5)
    runner: Any = prepared.build_runner()
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    base = wrapper.optimizer.defaults['lr']
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    # two images for eight
    rates = [group['lr'] for group in wrapper.optimizer.param_groups]
    assert max(rates) == pytest.approx(base / 4)
    assert min(rates) == pytest.approx(base / 4 / 2**9)
    logged = wrapper.get_lr()['base_lr']
    assert logged == [pytest.approx(base / 4)]
