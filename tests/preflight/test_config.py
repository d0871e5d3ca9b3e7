"""What options change in a config."""

from pathlib import Path
from typing import Any

import pytest
from interpreter import ROOT
from mmengine.config import Config

from vitdense.preflight.config import (
    check_numbers,
    leaf_datasets,
    load_config,
    set_auto_scale_lr,
    set_out,
    set_tta,
    set_visualization,
)
from vitdense.preflight.options import CommonOptions


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / 'some.py'
    file.write_text("default_scope = 'mmdet'\nmodel = dict(depth=1)\n")
    return str(file)


def test_work_dir_and_options(path: str) -> None:
    def load(**options: Any) -> Config:
        return load_config(CommonOptions(config=path, **options))

    cfg = load(cfg_options={'model.depth': 2})
    assert cfg.work_dir == 'work_dirs/some'
    assert cfg.model.depth == 2
    inside = {'work_dir': 'inside'}
    assert load(cfg_options=inside).work_dir == 'inside'
    cfg = load(work_dir='given', cfg_options=inside, launcher='slurm')
    assert cfg.work_dir == 'given'
    assert cfg.launcher == 'slurm'


def test_compile_adds_a_hook_to_those_of_the_config(path: str) -> None:
    with open(path, 'a') as file:
        file.write("custom_hooks = [dict(type='NumClassCheckHook')]")
    cfg = load_config(CommonOptions(config=path, compile=True))
    assert [hook['type'] for hook in cfg.custom_hooks] == [
        'NumClassCheckHook',
        'vitdense.CompileBackboneHook',
    ]


def test_options_inside_of_none(path: str) -> None:
    Path(path).write_text(
        "default_scope = 'mmdet'\nmodel = dict(backbone=dict(init_cfg=None))"
    )
    key = 'model.backbone.init_cfg'
    given = {f'{key}.type': 'Pretrained', f'{key}.checkpoint': 'a.pth'}
    cfg = load_config(CommonOptions(config=path, cfg_options=given))
    assert cfg.model.backbone.init_cfg.to_dict() == {
        'type': 'Pretrained',
        'checkpoint': 'a.pth',
    }


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        ('train_cfg.max_epochs', 0),
        ('train_cfg.val_interval', 0),
        ('val_dataloader.batch_size', 0),
        ('train_dataloader.batch_size', 1.5),
    ],
)
def test_numbers(place: str, value: float) -> None:
    first, key = place.split('.')
    with pytest.raises(ValueError, match=f'{place}={value} is not a positive'):
        check_numbers(Config({first: {key: value}}), ['train', 'val'])
    check_numbers(Config({first: {key: 1}}), ['train', 'val'])


def test_auto_scale_lr() -> None:
    cfg = Config({'auto_scale_lr': {'enable': False, 'base_batch_size': 16}})
    set_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable is True


def test_datasets_inside_wrappers() -> None:
    inner = {'type': 'A', 'data_root': 'a'}
    several = {'type': 'ConcatDataset', 'datasets': [inner, inner]}
    wrapped = {'type': 'RepeatDataset', 'dataset': several}
    cfg = Config({'train_dataloader': {'dataset': wrapped}})
    assert list(leaf_datasets(cfg, 'train')) == [
        'train_dataloader.dataset.dataset.datasets.0',
        'train_dataloader.dataset.dataset.datasets.1',
    ]
    assert leaf_datasets(cfg, 'val') == {}


def test_classifiers_are_for_training_and_testing_alone() -> None:
    recipe = ROOT / 'configs/pretrain/deit_pvt-v2-b0_8xb128-300e_in1k.py'
    with pytest.raises(ValueError, match=r"choose from \['mmdet', 'mmseg'\]"):
        load_config(CommonOptions(config=str(recipe)))


def test_visualization() -> None:
    cfg = Config({'default_scope': 'mmdet', 'visualizer': {}})
    set_visualization(cfg, show=True, show_dir='seen', wait_time=3)
    hook = cfg.default_hooks.visualization
    assert hook.type == 'DetVisualizationHook'
    assert (hook.draw, hook.show, hook.wait_time) == (True, True, 3)
    assert hook.test_out_dir == str(Path.cwd() / 'seen')
    cfg.default_scope = 'mmseg'
    set_visualization(cfg, show=False, show_dir='seen', wait_time=3)
    assert cfg.visualizer.save_dir == 'seen'
    cfg = Config({'default_scope': 'mmpretrain'})
    set_visualization(cfg, show=False, show_dir='seen', wait_time=3)
    hook = cfg.default_hooks.visualization
    assert (hook.type, hook.enable) == ('VisualizationHook', True)
    assert hook.out_dir == 'seen'


def test_out(tmp_path: Path) -> None:
    evaluator = {'type': 'CocoMetric'}
    cfg = Config({'default_scope': 'mmdet', 'test_evaluator': evaluator})
    with pytest.raises(ValueError, match=r'--out .*\.pkl'):
        set_out(cfg, 'predictions.json')
    set_out(cfg, 'predictions.pkl')
    assert [each.type for each in cfg.test_evaluator] == [
        'CocoMetric',
        'DumpDetResults',
    ]
    cfg = Config({'default_scope': 'mmpretrain', 'test_evaluator': evaluator})
    set_out(cfg, 'predictions.pkl')
    assert cfg.test_evaluator[-1].type == 'DumpResults'
    cfg = Config({'default_scope': 'mmseg', 'test_evaluator': evaluator})
    set_out(cfg, str(tmp_path))
    assert cfg.test_evaluator.output_dir == str(tmp_path)
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='folder'):
        set_out(cfg, str(tmp_path / 'file'))


def test_tta() -> None:
    cfg = Config(
        {'model': {'type': 'M'}, 'test_evaluator': {'metric': 'bbox'}}
    )
    with pytest.raises(ValueError, match='no tta_model and no tta_pipeline'):
        set_tta(cfg)
    cfg.test_dataloader = {'dataset': {'type': 'D', 'pipeline': []}}
    cfg.tta_model = {'type': 'DetTTAModel'}
    cfg.tta_pipeline = [{'type': 'TestTimeAug'}]
    cfg.test_evaluator.metric = ['bbox', 'segm']
    with pytest.raises(ValueError, match="choose 'bbox'"):
        set_tta(cfg)
    cfg.test_evaluator.metric = ['bbox']
    set_tta(cfg)
    assert cfg.model.to_dict() == {
        'type': 'DetTTAModel',
        'module': {'type': 'M'},
    }
    assert cfg.test_dataloader.dataset.pipeline == cfg.tta_pipeline
