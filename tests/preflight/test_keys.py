"""Which keys an option may name."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from small_runs import DETECTOR, SEGMENTER
from timm_alone import import_mmpretrain

from vitdense.preflight.cli import nothing_shown
from vitdense.preflight.config import load_config
from vitdense.preflight.options import CommonOptions
from vitdense.preflight.rehearsal import no_traces

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path
    for path in (ROOT / 'configs').glob('*/*.py')
    if path.parent.name != '_base_'
)
# What one may want of any config, though none of them names it.
PLAUSIBLE = {
    'activation_checkpointing': ['backbone'],
    'auto_scale_lr.enable': True,
    'custom_hooks': [dict(type='EMAHook', momentum=0.1)],
    'default_hooks.checkpoint.max_keep_ckpts': 1,
    'default_hooks.checkpoint.save_base': True,
    'default_hooks.checkpoint.save_best': 'auto',
    'default_hooks.early': dict(type='EarlyStoppingHook', monitor='mAP'),
    'default_hooks.logger.priority': 'LOW',
    'env_cfg.dist_cfg.backend': 'gloo',
    'env_cfg.mp_cfg.mp_start_method': 'spawn',
    'env_cfg.resource_limit': 4096,
    'find_unused_parameters': True,
    'load_from': 'a.pth',
    'log_level': 'DEBUG',
    'model.backbone.frozen_stages': 1,
    'model.backbone.init_cfg': dict(type='Pretrained', checkpoint='a.pth'),
    'model.backbone.init_cfg.prefix': 'backbone.',
    'model.backbone.tune': dict(type='lora', rank=4),
    'model.backbone.with_cp': True,
    'model_wrapper_cfg.broadcast_buffers': True,
    'optim_wrapper.accumulative_counts': 2,
    'optim_wrapper.clip_grad.max_norm': 1,
    'optim_wrapper.constructor': 'DefaultOptimWrapperConstructor',
    'optim_wrapper.optimizer.betas': (0.9, 0.99),
    'optim_wrapper.paramwise_cfg.custom_keys.norm.decay_mult': 0.0,
    'optim_wrapper.paramwise_cfg.norm_decay_mult': 0.0,
    'param_scheduler.0.convert_to_iter_based': True,
    'param_scheduler.0.end': 3,
    'randomness.deterministic': True,
    'randomness.seed': 1,
    'resume': True,
    'sync_bn': 'torch',
    'train_cfg.val_begin': 2,
    'train_cfg.val_interval': 2,
    'train_dataloader.collate_fn.type': 'pseudo_collate',
    'train_dataloader.dataset.backend_args.backend': 'petrel',
    'train_dataloader.dataset.indices': 4,
    'train_dataloader.dataset.metainfo.classes': ['a'],
    'train_dataloader.dataset.pipeline.0.to_float32': True,
    'train_dataloader.drop_last': True,
    'train_dataloader.num_batch_per_epoch': 5,
    'train_dataloader.pin_memory': True,
    'train_dataloader.sampler.seed': 3,
    'val_cfg.fp16': True,
    'val_evaluator.prefix': 'x',
    'visualizer.save_dir': 'x',
    'visualizer.vis_backends': [dict(type='TensorboardVisBackend')],
    'work_dir': 'w',
}
DETECTION: dict[str, object] = {
    'model.neck.norm_cfg': dict(type='BN', requires_grad=False),
    'train_dataloader.batch_sampler.drop_last': True,
    'train_dataloader.dataset.filter_cfg.min_size': 3,
    'tta_model.tta_cfg.max_per_img': 9,
    'val_evaluator.classwise': True,
}
SEGMENTATION: dict[str, object] = {
    'model.decode_head.loss_decode.class_weight': [1],
    'model.decode_head.sampler': dict(type='OHEMPixelSampler', thresh=0.7),
    'model.test_cfg.crop_size': (512, 512),
    'val_evaluator.output_dir': 'x',
}
CLASSIFICATION: dict[str, object] = {
    'model.head.topk': (1, 5),
    'model.train_cfg.augments.0.alpha': 0.2,
    'train_dataloader.sampler.seed': 1,
    'val_evaluator.topk': 1,
}
OWN = {
    'mmdet': DETECTION,
    'mmseg': SEGMENTATION,
    'mmpretrain': CLASSIFICATION,
}
OF_ITS_HEADS = (
    'model.decode_head.loss_decode.class_weight',
    'model.decode_head.sampler',
)


def load(path: Path, options: dict[str, object]) -> Config:
    with nothing_shown(), no_traces():
        return load_config(
            CommonOptions(config=str(path), cfg_options=options), OWN
        )


def sampled() -> list[Any]:
    """One of each recipe and family in the slow tests, the rest in soak."""
    params: list[Any] = []
    seen: set[tuple[str, ...]] = set()
    for index, path in enumerate(CONFIGS):
        model, _, *recipe = path.stem.split('_')
        kind = (path.parent.name, model, *recipe)
        mark = pytest.mark.soak if kind in seen else pytest.mark.slow
        seen.add(kind)
        marks = () if index % 13 == 0 else mark
        params.append(pytest.param(path, marks=marks, id=path.stem))
    return params


@pytest.mark.parametrize('path', sampled())
def test_no_plausible_option_is_refused(path: Path) -> None:
    cfg = Config.fromfile(path)
    options = PLAUSIBLE | OWN[cfg.default_scope]
    if cfg.default_scope == 'mmpretrain':
        import_mmpretrain()
        # its data sets have no such setting
        del options['train_dataloader.dataset.backend_args.backend']
    neck = cfg.model.get('neck')
    if isinstance(neck, list) or (
        neck and neck.type == 'vitdense.SimpleFeaturePyramid'
    ):
        # several have places of their own; the pyramid has LayerNorms alone
        options.pop('model.neck.norm_cfg', None)
    if cfg.model.backbone.type == 'vitdense.Timm':
        for key in ('frozen_stages', 'tune', 'with_cp'):
            del options[f'model.backbone.{key}']
    if 'tune' in cfg.model.backbone:
        options['model.backbone.tune'] = 'attention'
    if 'pixel_decoder' in cfg.model.get('decode_head', {}):
        # mmdet's head, without what mmseg's own have in common
        options = {k: v for k, v in options.items() if k not in OF_ITS_HEADS}
    if isinstance(cfg.val_evaluator, list):
        options = {
            key.replace('val_evaluator.', 'val_evaluator.0.'): value
            for key, value in options.items()
            if key != 'val_evaluator.classwise'
        }
    load(path, options)


@pytest.mark.parametrize(
    ('key', 'nearest'),
    [
        ('train_cfg.max_epoch', 'train_cfg.max_epochs'),
        ('optim_wrapper.optimiser.lr', 'optim_wrapper.optimizer.lr'),
        ('optim_wrapper.optimizer.beta', 'optim_wrapper.optimizer.betas'),
        (
            'default_hooks.checkpoint.intervals',
            'default_hooks.checkpoint.interval',
        ),
        ('default_hooks.checkpoints.interval', 'default_hooks.checkpoint.int'),
        ('data_root', 'train_dataloader.dataset.data_root, val_dataloader.'),
        ('backbone.arch', 'model.backbone.arch'),
        ('model.backbone.ach', 'model.backbone.arch'),
        ('model.test_cfg.rcnn.scoer_thr', 'model.test_cfg.rcnn.score_thr'),
        ('optim_wrapper.clip_grad.maxnorm', 'optim_wrapper.clip_grad.max_n'),
        ('randomness.sed', 'randomness.seed'),
        ('env_cfg.seed', 'env_cfg.'),
        ('loadfrom', 'load_from'),
        ('train_dataloader.batchsize', 'train_dataloader.batch_size'),
        (
            'train_dataloader.dataset.filter_cfg.min_sise',
            'train_dataloader.dataset.filter_cfg',
        ),
        ('param_scheduler.0.eta_mim', 'param_scheduler.0.'),
        # words of the libraries' code, but of none that is given the mapping
        (
            'train_dataloader.dataset.filter_cfg.bbox_min_size',
            'train_dataloader.dataset.filter_cfg.min_size',
        ),
        ('optim_wrapper.paramwise_cfg.num_layers', '-'),
        (
            'optim_wrapper.paramwise_cfg.custom_keys.norm.decay',
            'optim_wrapper.paramwise_cfg.custom_keys.norm.decay_mult',
        ),
        ('auto_scale_lr.batch', 'auto_scale_lr.base_batch_size'),
    ],
)
def test_the_nearest_key(key: str, nearest: str) -> None:
    said = f'^--cfg-options {key}: no part of .* is read: {nearest}'
    with pytest.raises(ValueError, match=said):
        load(DETECTOR, {key: 1})


@pytest.mark.parametrize(
    ('key', 'place'),
    [
        ('dataset_type', 'train_dataloader.dataset.type'),
        ('train_pipeline', 'train_dataloader.dataset.pipeline'),
    ],
)
def test_the_place_that_a_variable_of_the_file_went_to(
    tmp_path: Path, key: str, place: str
) -> None:
    """Users' configs have such names, which do nothing after parsing."""
    path = tmp_path / 'mine.py'
    path.write_text(
        f'_base_ = {str(DETECTOR)!r}\n'
        "dataset_type = 'CocoDataset'\n"
        "train_pipeline = [dict(type='LoadImageFromFile')]\n"
        'train_dataloader = dict(dataset=dict(\n'
        '    type=dataset_type, pipeline=train_pipeline))\n'
    )
    said = f'^--cfg-options {key}: no part of .* is read: {place}'
    with pytest.raises(ValueError, match=said):
        load(path, {key: 1})


def test_keys_inside_of_a_value() -> None:
    hook = dict(type='CheckpointHook', intervals=1)
    with pytest.raises(ValueError, match="'intervals'"):
        load(DETECTOR, {'default_hooks.mine': hook})


def test_what_a_hook_asks_the_config_for_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's hook may read a key at the top level, under any name."""
    (tmp_path / 'my_hooks.py').write_text(
        "def before_run(runner): return runner.cfg.get('my_key')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / 'mine.py'
    text = f'_base_ = {str(SEGMENTER)!r}\nmy_key = other_key = 1\n'
    path.write_text(text + "custom_imports = dict(imports=['my_hooks'])")
    assert load(path, {'my_key': 2}).my_key == 2
    with pytest.raises(ValueError, match="'other_key'"):
        load(path, {'other_key': 2})


MY_NECK = """
from torch import nn
from mmengine.registry import MODELS

@MODELS.register_module(force=True)
class MyNeck(nn.Module):
    def __init__(self, in_channels, **settings):
        self.depth_of_mine = settings['mine']['depth_of_mine']

    def other(self, mine):
        return mine.weight_a, mine.weight_aa
"""


@pytest.mark.parametrize(
    ('key', 'read'),
    [
        ('mine.depth_of_mine', True),
        # alike, but both are there
        ('mine.weight_aa', True),
        ('mine.widht_of_mine', False),
        ('yours.depth_of_mine', True),
    ],
)
def test_plain_mappings_of_a_users_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, read: bool
) -> None:
    """Their keys are words of the user's code, in no library."""
    (tmp_path / 'my_necks.py').write_text(MY_NECK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'my_necks', raising=False)
    path = tmp_path / 'mine.py'
    path.write_text(
        f'_base_ = {str(DETECTOR)!r}\n'
        "custom_imports = dict(imports=['my_necks'])\n"
        "model = dict(neck=dict(_delete_=True, type='MyNeck', "
        'in_channels=[1], mine=dict(weight_a=1), yours=dict()))\n'
    )
    option: dict[str, object] = {f'model.neck.{key}': 2}
    if read:
        load(path, option)
    else:
        with pytest.raises(ValueError, match='no part of the config reads'):
            load(path, option)


def places(node: object, place: str = '') -> list[str]:
    """Every key of a config that stands in what the run reads."""
    items: Iterable[Any] = node.items() if isinstance(node, dict) else ()
    if isinstance(node, list) and all(isinstance(x, dict) for x in node):
        items = [(str(index), each) for index, each in enumerate(node)]
    found = []
    for key, value in items:
        inner = f'{place}.{key}' if place else key
        found += [inner, *places(value, inner)]
    return found


KEYS = {
    path: [
        place
        for place in places(Config.fromfile(path)._cfg_dict.to_dict())
        if place.startswith(
            ('model', 'optim', 'train_', 'val_', 'default_hooks', 'env')
        )
        and not place.startswith(('train_pipeline', 'test_pipeline'))
        and not place.rpartition('.')[2].isdigit()
    ]
    for path in (DETECTOR, SEGMENTER)
}


@st.composite
def misspelt(draw: Callable) -> tuple[Path, str, str]:
    """A config, one of its keys, and that key with a letter typed twice."""
    path = draw(st.sampled_from(sorted(KEYS)))
    key = draw(st.sampled_from(KEYS[path]))
    parent, _, leaf = key.rpartition('.')
    at = draw(st.integers(0, len(leaf) - 1))
    wrong = f'{leaf[:at]}{leaf[at] * 2}{leaf[at:]}'
    return path, key, '.'.join(filter(None, (parent, wrong)))


def check_misspelt(drawn: tuple[Path, str, str]) -> None:
    path, key, wrong = drawn
    with pytest.raises(ValueError, match=f'is read: {key}$'):
        load(path, {wrong: 1})


few = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
test_misspelt_keys = few(given(misspelt())(check_misspelt))
test_many_misspelt_keys = pytest.mark.slow(
    settings(few, max_examples=300, derandomize=False)(
        given(misspelt())(check_misspelt)
    )
)
