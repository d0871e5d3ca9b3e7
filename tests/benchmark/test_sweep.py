"""What a sweep makes of a recipe and backbones, and what it refuses."""

import re
from pathlib import Path

import pytest
from interpreter import ROOT
from mmengine.config import Config

from vitdense.benchmark.sweep.backbones import Backbone, read_backbones
from vitdense.benchmark.sweep.compose import compose, find_recipe
from vitdense.benchmark.sweep.training import plan

MINI = ROOT / 'configs/quickstart/mask-rcnn_cvt-mini_fpn_shapes.py'
RECIPE = find_recipe('mask-rcnn_shapes')
OFTEN = ('dino', 'detr', 'mask2former_cvt', 'rtmdet', 'segformer')
READY = [
    pytest.param(
        path,
        id=path.stem,
        marks=() if path.stem.startswith(OFTEN) else pytest.mark.slow,
    )
    for pattern in ('cvt/*_cvt-13_*', 'pvt/*_pvt-v2-b2_*', 'pvt/detr_*')
    for path in sorted((ROOT / 'configs').glob(pattern))
]


@pytest.fixture(scope='module')
def backbones() -> dict[str, Backbone]:
    found = read_backbones(
        [
            'cvt-13',
            'pvt-v2-b2',
            'pvt-small',
            f'mini={MINI}',
            'mmdet.ResNet:18',
            'swin=mmdet.SwinTransformer{"depths": [1, 1, 1, 1]}',
        ]
    )
    return {each.name: each for each in found}


def test_names_and_levels(backbones: dict[str, Backbone]) -> None:
    assert {
        name: (each.channels, each.strides) for name, each in backbones.items()
    } == {
        'cvt-13': ((64, 192, 384), (4, 8, 16)),
        'pvt-v2-b2': ((64, 128, 320, 512), (4, 8, 16, 32)),
        'pvt-small': ((64, 128, 320, 512), (4, 8, 16, 32)),
        'mini': ((32, 96, 192), (4, 8, 16)),
        'mmdet.ResNet-18': ((64, 128, 256, 512), (4, 8, 16, 32)),
        'swin': ((96, 192, 384, 768), (4, 8, 16, 32)),
    }
    assert backbones['mmdet.ResNet-18'].spec == 'mmdet.ResNet{"depth": 18}'


def composed(text: str, folder: Path) -> Config:
    path = folder / 'composed.py'
    path.write_text(text)
    return Config.fromfile(path)


def test_it_is_what_the_quick_start_is(
    backbones: dict[str, Backbone], tmp_path: Path
) -> None:
    ours = composed(compose(RECIPE, backbones['mini'], 0, {}), tmp_path)
    assert ours.model == Config.fromfile(MINI).model
    assert ours.randomness.seed == 0


@pytest.mark.parametrize('ready', READY)
def test_it_is_what_the_ready_config_is(
    backbones: dict[str, Backbone], tmp_path: Path, ready: Path
) -> None:
    text = ready.read_text()
    (backbone,) = re.findall(r'_base_/backbones/(.*)\.py', text)
    (recipe,) = map(find_recipe, re.findall(r'_base_/recipes/(.*)\.py', text))
    ours = composed(compose(recipe, backbones[backbone], 0, {}), tmp_path)
    assert ours.model == Config.fromfile(ready).model


def test_what_the_recipe_sets_is_kept_where_it_is_taken(
    backbones: dict[str, Backbone], tmp_path: Path
) -> None:
    for name, kept in (('swin', True), ('mmdet.ResNet-18', False)):
        text = compose(RECIPE, backbones[name], 3, {'a.b': 1})
        settings = composed(text, tmp_path).model.backbone
        assert ('drop_path_rate' in settings) == kept
        assert text.startswith("# --cfg-options {'a.b': 1}\n")


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('pvt-v9', "--backbones pvt-v9: 'pvt-v9' is no base of configs"),
        ('no.py', 'there is no config no.py'),
        ('timm:resnet18', 'timm has no backbone that a config can name'),
        ('mmdet.ResNett:50', "mmdet has no backbone 'ResNett'; the closest"),
        ('mmdet.ResNet:51', 'it cannot be run once: .*invalid depth 51'),
    ],
)
def test_no_backbones(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_backbones([name])


def test_levels_that_a_recipe_is_not_for(
    backbones: dict[str, Backbone],
) -> None:
    recipe = find_recipe('semantic-fpn_4xb4-80k_ade20k-512x512')
    with pytest.raises(ValueError, match=r'cvt-13 has .* \[4, 8, 16\]'):
        compose(recipe, backbones['cvt-13'], 0, {})
    recipe = find_recipe('segformer_3-levels_8xb2-160k_ade20k-512x512')
    with pytest.raises(ValueError, match=r'v2-b2 has .* \[4, 8, 16, 32\]'):
        compose(recipe, backbones['pvt-v2-b2'], 0, {})
    plain = Backbone('plain', {'type': 'vitdense.ViT'}, (8,) * 2, (16,) * 2)
    with pytest.raises(ValueError, match=r'plain has .* \[16, 16\]'):
        compose(RECIPE, plain, 0, {})
    for name, said in (
        ('rtmdet_100e_coco', r'\[4, 8, 16\], .* is for \[8, 16, 32\]'),
        ('detr_50e_coco', r'\[4, 8, 16\], .* is for \[32\]'),
        ('mask2former_lsj-50e_coco', r'is for \[4, 8, 16, 32\]'),
        ('rtmdet_sfp_100e_coco', 'is for plain ViTs'),
        ('cvt_8xb256-300e_in1k', 'is for plain ViTs or classifiers'),
    ):
        with pytest.raises(ValueError, match=said):
            compose(find_recipe(name), backbones['cvt-13'], 0, {})
    with pytest.raises(ValueError, match="--recipe 'none' is no file"):
        find_recipe('none')


def test_another_sweep_in_the_folder(
    backbones: dict[str, Backbone], tmp_path: Path
) -> None:
    chosen = [backbones['mini']]
    trainings = plan(RECIPE, chosen, 2, tmp_path, {})
    assert [each.work_dir.name for each in trainings] == [
        'mini_seed0',
        'mini_seed1',
    ]
    assert not any(each.is_done({}) for each in trainings)
    assert plan(RECIPE, chosen, 3, tmp_path, {})[:2] == trainings
    with pytest.raises(ValueError, match=r'mini_seed0.py. is of another'):
        plan(RECIPE, chosen, 2, tmp_path, {'train_cfg.max_epochs': 1})
