"""What may import what, what an import loads, and configs by package name."""

import ast
import sys
from pathlib import Path

import pytest
from interpreter import ROOT, check

PACKAGE = ROOT / 'vitdense'

# What each part may import of vitdense: dependencies point one way.
DIRECTIONS = {
    'layers': {'layers'},
    'checkpoint': {'checkpoint', 'layers'},
    'backbones': {'backbones', 'layers', 'checkpoint', 'registry'},
    'ops': {'ops'},
    'compat': {'compat', 'checkpoint'},
}
CORE = ('layers', 'checkpoint', 'backbones')
CORE_LIBRARIES = {'filelock', 'mmengine', 'numpy', 'safetensors', 'torch'}


def imported(path: Path) -> set[str]:
    """Names of all modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(ROOT).parent.parts
            parents = parents[: len(parents) - node.level + 1]
            prefix = [*parents, ''] if node.level else ['']
            names.add('.'.join(prefix) + (node.module or ''))
    return names


@pytest.mark.parametrize('part', CORE)
def test_core_knows_torch_and_mmengine_only(part):
    for path in (PACKAGE / part).rglob('*.py'):
        tops = {name.partition('.')[0] for name in imported(path)}
        foreign = tops - set(sys.stdlib_module_names) - {'vitdense'}
        assert foreign <= CORE_LIBRARIES, path


@pytest.mark.parametrize('part', DIRECTIONS)
def test_dependencies_point_one_way(part):
    for path in (PACKAGE / part).rglob('*.py'):
        own = {
            name.split('.')[1]
            for name in imported(path)
            if name.startswith('vitdense.')
        }
        assert own <= DIRECTIONS[part], path


def test_backbones_by_name():
    check(
        'import sys, vitdense\n'
        "assert 'vitdense.backbones' not in sys.modules\n"
        "assert vitdense.CvT('13').out_channels == (64, 192, 384)\n"
        'from vitdense import PVT, T2TViT\n'
        "assert not hasattr(vitdense, 'ResNet')\n"
    )


def test_backbones_without_task_libraries():
    blocked = ('mmcv', 'mmdet', 'mmseg', 'timm', 'transformers', 'numba')
    check(
        f'import sys; sys.modules.update(dict.fromkeys({blocked}))\n'
        'import torch, vitdense.backbones, vitdense.checkpoint\n'
        'from vitdense.registry import MODELS\n'
        "model = MODELS.build(dict(type='PVT', arch='v2-b0'))\n"
        'assert len(model(torch.zeros(1, 3, 64, 64))) == 4'
    )


def test_importing_vitdense_loads_nothing_heavy():
    heavy = ('torch', 'cv2', 'mmcv', 'mmdet', 'mmseg', 'numba')
    loaded = check(
        'import sys, vitdense\n'
        f'print([name for name in {heavy} if name in sys.modules])'
    )
    assert loaded.strip() == '[]'


def test_configs_can_be_inherited_by_package_name(tmp_path):
    """Plain names keep meaning mmdet's, also where mmcv has the same name."""
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'vitdense::pvt/mask-rcnn_pvt-v2-b0_fpn_1x_coco.py'\n"
        'model = dict(backbone=dict(init_cfg=None))\n'
        'train_dataloader = dict(dataset=dict(lazy_init=True))'
    )
    types = check(
        'import vitdense\n'
        'from mmengine.config import Config\n'
        'from mmengine.registry import DATASETS, MODELS, init_default_scope\n'
        f'cfg = Config.fromfile({str(path)!r})\n'
        'init_default_scope(cfg.default_scope)\n'
        'model = MODELS.build(cfg.model)\n'
        'data = DATASETS.build(cfg.train_dataloader.dataset)\n'
        'for part in (model, model.backbone, data.pipeline.transforms[1]):\n'
        '    print(type(part).__module__)',
        folder=tmp_path,
    ).splitlines()
    assert types[-3:] == [
        'mmdet.models.detectors.mask_rcnn',
        'vitdense.backbones.pvt',
        'mmdet.datasets.transforms.loading',
    ]
