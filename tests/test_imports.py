"""What may import what, what an import loads, and configs by package name."""

import ast
import sys
from pathlib import Path

import pytest
from interpreter import ROOT, check
from mmengine.config import Config

import vitdense  # noqa: F401 - enters packages of configs

PACKAGE = ROOT / 'vitdense'

# What each part may import of vitdense, beside itself: an entry stands for a
# module and all below it. Dependencies point one way: layers <- backbones <-
# checkpoint <- engine, preflight, benchmark. What a family says of its
# checkpoints is data, in the words of the rules, and a backbone imports the
# loader only when it loads.
MAY_IMPORT = {
    'layers': [],
    'ops': [],
    'compat': ['checkpoint', 'datasets.coco_scorer', 'ops'],
    'backbones': [
        'layers',
        'registry',
        'reference.weights',
        'checkpoint.base',
        'checkpoint.errors',
        'checkpoint.load',
        'checkpoint.matching.rules',
        'checkpoint.matching.tables',
    ],
    'necks': ['layers', 'registry'],
    'reference': ['backbones.pyramid'],
    'checkpoint': ['layers.position', 'backbones.family', 'backbones.pyramid'],
    'datasets': ['registry', 'terminal'],
    # a block is what a process has whole while it computes
    'engine': ['registry', 'checkpoint', 'layers.block', 'terminal'],
    'preflight': [
        'backbones.family',
        'checkpoint',
        'datasets',
        'engine',
        'registry',
    ],
    'command': ['preflight', 'ops.backend'],
    'projects': ['checkpoint.matching.classes', 'datasets', 'preflight'],
    'predict': [
        'checkpoint',
        'datasets.loading',
        'engine.work_folder',
        'preflight',
        'terminal',
    ],
    'export': ['checkpoint', 'predict', 'preflight'],
    'visualize': [
        'checkpoint.whole_file',
        'engine.work_folder',
        'predict',
        'preflight',
    ],
    'benchmark': [
        'predict.colours',
        'backbones.pyramid',
        'checkpoint',
        'engine',
        'preflight',
        'datasets.audit',
        'datasets.coco_scorer',
        'ops.compiled',
        'reference.plain_backbone',
        'terminal',
    ],
}
CORE = ('layers', 'backbones', 'necks', 'checkpoint', 'reference')
CORE_LIBRARIES = {'filelock', 'mmengine', 'numpy', 'safetensors', 'torch'}
# Optional, and imported where it is asked for.
EXTRAS = {'tuning.py': {'peft'}, 'library.py': {'timm'}}
FAMILIES = sorted(
    path.name
    for path in (PACKAGE / 'backbones').iterdir()
    if (path / '__init__.py').is_file()
)


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
            module = '.'.join(prefix) + (node.module or '')
            names.add(module.rstrip('.'))
    return names


def test_every_part_has_its_directions() -> None:
    parts = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert parts == set(MAY_IMPORT)


@pytest.mark.parametrize('part', CORE)
def test_core_knows_torch_and_mmengine_only(part: str) -> None:
    for path in (PACKAGE / part).rglob('*.py'):
        tops = {name.partition('.')[0] for name in imported(path)}
        foreign = tops - set(sys.stdlib_module_names) - {'vitdense'}
        assert foreign <= CORE_LIBRARIES | EXTRAS.get(path.name, set()), path


@pytest.mark.parametrize('part', MAY_IMPORT)
def test_dependencies_point_one_way(part: str) -> None:
    allowed = tuple(f'vitdense.{name}.' for name in [part, *MAY_IMPORT[part]])
    for path in (PACKAGE / part).rglob('*.py'):
        ours = [n for n in imported(path) if n.startswith('vitdense.')]
        assert [n for n in ours if not f'{n}.'.startswith(allowed)] == [], path


def test_families_know_nothing_of_each_other_nor_others_of_them() -> None:
    for path in PACKAGE.rglob('*.py'):
        if path == PACKAGE / '__init__.py':
            continue  # their names, for users
        own = path.relative_to(PACKAGE).parts[:2]
        foreign = [f for f in FAMILIES if own != ('backbones', f)]
        for name in imported(path):
            assert not name.startswith(
                tuple(f'vitdense.backbones.{f}' for f in foreign)
            ), path
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert strings.isdisjoint(foreign), path


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
        'vitdense.backbones.pvt.model',
        'mmdet.datasets.transforms.loading',
    ]


@pytest.mark.parametrize(
    'base',
    [
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        'mmseg::sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py',
    ],
)
def test_configs_of_the_libraries_can_be_inherited(tmp_path, base):
    """By whichever package they came."""
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{base}'\nmodel = dict(neck=dict(num_outs=5))")
    assert Config.fromfile(path).model.neck.num_outs == 5
