"""Every config loads, builds, and is consistent from backbone to heads."""

import inspect
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from mmseg.apis import inference_model, init_model
from stock_heads.parts import listed
from timm_alone import import_mmpretrain, import_timm
from torch import nn

from vitdense.backbones.pyramid import PyramidBackbone, known_backbones
from vitdense.necks import BatchNormNeck
from vitdense.preflight.strides import check_strides

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path
    for path in (ROOT / 'configs').glob('*/*.py')
    if path.parent.name != '_base_'
)
BASES = sorted((ROOT / 'configs' / '_base_' / 'backbones').glob('*.py'))

PVT_ARCHS = ['tiny', 'small', 'medium', 'large', 'v2-b0', 'v2-b1', 'v2-b2']
PVT_ARCHS += ['v2-b2-li', 'v2-b3', 'v2-b4', 'v2-b5']
T2T_REST = ['7', '10', '12', '24', 't-19', 't-24']
T2T_REST += ['14-se', '14-resnext', '14-wide', '16-ghost', 'dense']
TIMM = 'vitdense.Timm'
BASELINES = ['resnet-50', 'se-resnet-50', 'mobilenet-v2']
BASELINES += ['mobilenet-v3-large', 'swin-t', 'convnext-t']
DINOS = ['dinov2-s', 'dinov2-b', 'dinov3-s', 'dinov3-b', 'dinov3-l']


# Read after parsing: by the Runner, by Config itself, by tools/test.py --tta.
READ = {*inspect.signature(Runner).parameters, 'custom_imports'}
READ |= {'tta_model', 'tta_pipeline'}
# by mmseg.apis.inference_model
READ |= {'test_pipeline'}

METAFILES = {
    path.parent.name: yaml.safe_load(path.read_text())
    for path in (ROOT / 'configs').glob('*/metafile.yml')
}
METADATA = {
    ROOT / model['Config']: model['Metadata']
    for metafile in METAFILES.values()
    for model in metafile['Models']
}


def sampled(paths: list[Path]) -> list[Any]:
    """Of families whose configs differ in little, some by default."""
    return [
        pytest.param(
            path,
            id=path.stem,
            marks=pytest.mark.slow
            if (path.parent.name == 'vit' and index % 5)
            or path.parent.name == 'baselines'
            else (),
        )
        for index, path in enumerate(paths)
    ]


def load(path: Path) -> Config:
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = None
    return cfg


def build(cfg: Config) -> Any:  # a module of the libraries, untyped
    if cfg.model.backbone.type == TIMM:
        import_timm()
    if cfg.default_scope == 'mmpretrain':
        import_mmpretrain()
    with (
        DefaultScope.overwrite_default_scope(cfg.default_scope),
        torch.device('meta'),
    ):
        return MODELS.build(cfg.model)


def expected_names() -> set[str]:
    """The matrix of configs that this project promises."""
    for_all = (
        'retinanet_{}_fpn_1x_coco',
        'mask-rcnn_{}_fpn_1x_coco',
        'semantic-fpn_{}_4xb4-80k_ade20k-512x512',
        'upernet_{}_8xb2-160k_ade20k-512x512',
    )
    pvt = [f'pvt-{arch}' for arch in PVT_ARCHS]
    others = ['cvt-13', 'cvt-21']
    others += [f't2t-{a}' for a in ('14', 't-14', '19')]
    others += ['t2t-pyramid-t', 't2t-pyramid-s']
    one_head = ['cvt-w24', *(f't2t-{arch}' for arch in T2T_REST)]
    ms_3x = ['pvt-v2-b2', 'pvt-v2-b2-li']
    # what only PVT's authors have trained
    of_the_paper = (
        'atss_{}_fpn_ms-crop-3x_coco',
        'gfl_{}_fpn_ms-crop-3x_coco',
        'sparse-rcnn_{}_fpn_ms-crop-3x_coco',
    )
    # one of each family
    todays = (
        'fcos_{}_fpn_1x_coco',
        'mask-rcnn_{}_fpn_lsj-100e_coco',
        'dino-4scale_{}_12e_coco',
        'segformer_{}_8xb2-160k_ade20k-512x512',
        'rtmdet_{}_100e_coco',
        'mask2former_{}_lsj-50e_coco',
        'mask2former_{}_lsj-50e_coco-panoptic',
        'mask2former_{}_8xb2-160k_ade20k-512x512',
    )
    pyramids = ['pvt-v2-b2', 'cvt-13', 't2t-14']
    for_deit = [
        *('pvt-v2-b0', 'pvt-v2-b1', 'pvt-v2-b2'),
        *('t2t-pyramid-t', 't2t-pyramid-s'),
    ]
    return {
        'detr_pvt-small_50e_coco',
        *(f'deit_{b}_8xb128-300e_in1k' for b in for_deit),
        'cvt_cvt-13_8xb256-300e_in1k',
        'cvt_cvt-21_16xb128-300e_in1k',
        'retinanet_pvt-small_fpn_1x_coco-640',
        'mask-rcnn_pvt-v2-b0_fpn_ms-crop-3x_coco',
        *(name.format(b) for b in ms_3x for name in of_the_paper),
        *(name.format(b) for b in pyramids for name in todays),
        *(
            name.format('vit-dinov3-s').replace('_fpn_', '_sfp_')
            for name in todays
        ),
        *(name.format(b) for b in pvt + others for name in for_all),
        *(f'semantic-fpn_{b}_8xb4-40k_ade20k-512x512' for b in pvt),
        *plain_vits(),
        *(f'mask-rcnn_{b}_fpn_1x_coco' for b in BASELINES),
        *(f'semantic-fpn_{b}_4xb4-80k_ade20k-512x512' for b in BASELINES),
        *(f'mask-rcnn_{b}_fpn_1x_coco' for b in one_head),
        *(f'mask-rcnn_{b}_fpn_ms-crop-3x_coco' for b in ms_3x),
        *(
            f'cascade-mask-rcnn_{b}_fpn_ms-crop-3x_coco'
            for b in [*ms_3x, 'cvt-13', 't2t-14']
        ),
    }


def plain_vits() -> Iterator[str]:
    """ViTDet's recipes, three ways to tune the DINOs, and three heads."""
    yield 'cascade-mask-rcnn_vit-vitdet-b_sfp_lsj-100e_coco'
    for name in ('vitdet-b', 'vitdet-l', *DINOS):
        yield f'mask-rcnn_vit-{name}_sfp_lsj-100e_coco'
    for name in DINOS:
        yield f'mask-rcnn_vit-{name}_sfp_lora-lsj-100e_coco'
        yield f'mask-rcnn_vit-{name}_sfp_frozen-lsj-100e_coco'
        yield f'linear_vit-{name}_8xb2-40k_ade20k-512x512'
    for name in (*DINOS, 'base', 'small-18x2', 'base-hmlp', 'cct-14-7x2'):
        yield f'semantic-fpn_vit-{name}_4xb4-80k_ade20k-512x512'
        yield f'upernet_vit-{name}_8xb2-160k_ade20k-512x512'


def test_the_whole_matrix_is_there() -> None:
    names = {p.stem for p in CONFIGS if p.parent.name != 'quickstart'}
    assert names == expected_names()


def test_metafiles_list_every_config() -> None:
    assert sorted(METADATA) == sorted(CONFIGS)
    for family, metafile in METAFILES.items():
        collections = {c['Name'] for c in metafile['Collections']}
        for model in metafile['Models']:
            assert model['In Collection'] in collections
            assert model['Config'] == f'configs/{family}/{model["Name"]}.py'


@pytest.mark.parametrize(
    ('name', 'millions'),
    [
        # published, for whole models
        ('retinanet_pvt-small_fpn_1x_coco', 34.22),
        ('retinanet_pvt-v2-b2-li_fpn_1x_coco', 32.29),
        ('mask-rcnn_pvt-tiny_fpn_1x_coco', 32.88),
        ('mask-rcnn_pvt-v2-b0_fpn_1x_coco', 23.45),
        ('mask-rcnn_pvt-v2-b5_fpn_1x_coco', 101.61),
        ('gfl_pvt-v2-b2_fpn_ms-crop-3x_coco', 33.11),
        ('semantic-fpn_pvt-tiny_8xb4-40k_ade20k-512x512', 16.98),
        ('semantic-fpn_pvt-v2-b0_8xb4-40k_ade20k-512x512', 7.55),
    ],
)
def test_parameters_are_the_published_ones(name: str, millions: float) -> None:
    published = METADATA[ROOT / 'configs' / 'pvt' / f'{name}.py']
    assert published['Parameters'] == millions


@pytest.mark.parametrize('path', sampled(CONFIGS))
def test_config_is_consistent(path: Path) -> None:
    cfg = load(path)
    model = build(cfg)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if path.stem.startswith('dino'):
        # upstream's describes boxes by half as many values as onedl's, which
        # the metafiles are of
        (first, *_) = model.decoder.ref_point_head.layers
        millions += 256 * (1024 - first.in_features) / 1e6
    stated = METADATA[path]
    assert stated['Parameters'] == pytest.approx(millions, abs=0.006)
    if 'Trained Parameters' in stated:
        assert stated['Trained Parameters'] == pytest.approx(
            trained / 1e6, abs=0.006
        )
    else:
        # apart from positions that an official code keeps as they are
        assert trained / 1e6 == pytest.approx(millions, rel=0.01)
    strides = model.backbone.out_strides
    channels = model.backbone.out_channels
    if cfg.default_scope == 'mmpretrain':
        assert model.head.in_channels == channels[-1]
        return
    if model.with_neck:
        settings = listed(cfg.model.neck)
        for neck, setting in zip(flat(model.neck), settings, strict=True):
            assert neck_channels(neck) == channels
            strides = neck_strides(neck, strides)
            if 'out_channels' in setting:  # else as they come
                channels = (setting.out_channels,) * len(strides)
    if cfg.default_scope == 'mmseg':
        check_segmentor(model, channels, strides)
    else:
        check_detector(model, channels, strides)


def neck_channels(neck: Any) -> tuple[int, ...]:
    """Channels of the levels that a neck takes."""
    if hasattr(neck, 'in_channels'):
        return tuple(neck.in_channels)
    return tuple(each.conv.in_channels for each in neck.convs)


def neck_strides(neck: Any, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a neck's outputs: each extra level halves the last."""
    if hasattr(neck, 'out_strides'):
        assert strides == (neck.in_stride,)
        return tuple(neck.out_strides)
    if hasattr(neck, 'scales'):
        pairs = zip(strides, neck.scales, strict=True)
        return tuple(stride / scale for stride, scale in pairs)
    levels = list(strides[getattr(neck, 'start_level', 0) :])
    if isinstance(neck, BatchNormNeck):
        count = len(levels)
    elif hasattr(neck, 'num_outs'):
        count = neck.num_outs
    else:  # PAFPN and ChannelMapper
        count = len(levels) + len(getattr(neck, 'extra_convs', None) or ())
    while len(levels) < count:
        levels.append(levels[-1] * 2)
    assert len(levels) == count
    return tuple(levels)


def check_detector(
    model: Any, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    check_strides(model)
    if hasattr(model, 'panoptic_head'):
        check_mask2former(model.panoptic_head, channels, strides)
        return
    if hasattr(model, 'encoder'):  # DETR and DINO
        attention = model.encoder.layers[0].self_attn
        assert getattr(attention, 'num_levels', 1) == len(strides)
        return
    dense = model.rpn_head if hasattr(model, 'rpn_head') else model.bbox_head
    if hasattr(dense, 'prior_generator'):  # Sparse R-CNN learns its boxes
        anchors = dense.prior_generator.strides
        assert [(s, s) for s in strides] == anchors
    if hasattr(model, 'roi_head'):
        for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
            extractor = getattr(model.roi_head, name, ())
            for one in flat(extractor):
                count = len(one.featmap_strides)
                assert tuple(one.featmap_strides) == strides[:count]


def check_mask2former(
    head: Any, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    decoder = head.pixel_decoder
    assert tuple(decoder.strides) == strides
    coarse_first = [each.conv.in_channels for each in decoder.input_convs]
    fine = [each.conv.in_channels for each in decoder.lateral_convs]
    assert (*fine, *coarse_first[::-1]) == channels


def flat(module: Any) -> list[Any]:
    """The extractors of a cascade or necks in a row, the one, or none."""
    if isinstance(module, nn.ModuleList | nn.Sequential | tuple):
        return list(module)
    return [module]


def check_segmentor(
    model: Any, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    head = model.decode_head
    if hasattr(head, 'pixel_decoder'):
        check_mask2former(head, channels, strides)
        assert head.cls_embed.out_features == head.num_classes + 1
        return
    if isinstance(head.in_index, int):  # a linear head
        assert (head.in_index, head.in_channels) == (0, channels[0])
        assert model.backbone.tuning.type == 'none'
        return
    assert list(head.in_index) == list(range(len(channels)))
    assert tuple(head.in_channels) == channels
    if hasattr(head, 'feature_strides'):
        # the head reads how many times one is another
        first, *_ = head.feature_strides
        times = [stride / first for stride in head.feature_strides]
        assert times == [stride / strides[0] for stride in strides]
    if model.with_auxiliary_head:
        aux = model.auxiliary_head
        assert aux.in_channels == channels[aux.in_index]
        assert strides[aux.in_index] in (14, 16)
    assert head.num_classes == head.conv_seg.out_channels


def test_no_config_inherits_from_installed_libraries() -> None:
    for path in (ROOT / 'configs').rglob('*.py'):
        assert '::' not in path.read_text(), path


@pytest.mark.parametrize('path', sampled(CONFIGS))
def test_every_key_is_read(path: Path) -> None:
    """A key that nothing reads would take an option and do nothing."""
    assert set(Config.fromfile(path)) <= READ


def backbone_class(kind: str) -> type[PyramidBackbone]:
    """The class of a type such as 'vitdense.PVT'."""
    (found,) = (
        each
        for each in known_backbones()
        if kind.endswith(f'.{each.__name__}')
    )
    return found


@pytest.mark.parametrize('path', BASES, ids=lambda p: p.stem)
def test_base_takes_the_official_weights_if_there_are_any(path: Path) -> None:
    base = Config.fromfile(path)
    assert set(base) == {'backbone', 'out_channels'}
    backbone = base.backbone
    official = {'type': 'Pretrained', 'checkpoint': 'official'}
    if backbone.type == TIMM:
        assert backbone.init_cfg == official
        return
    family = backbone_class(backbone.type).family
    if isinstance(backbone.arch, dict):  # of no name, and without a file
        assert path.stem.startswith(f'{family.name}-')
        assert 'init_cfg' not in backbone
        return
    assert path.stem == f'{family.name}-{backbone.arch}'
    published = family.published[backbone.arch]
    # what one has to ask for is refused, with a line that says so
    there = published.url or 'your own consent' in published.why
    assert backbone.get('init_cfg') == (official if there else None)


def test_addresses_and_archs_rates_are_not_repeated() -> None:
    for path in (ROOT / 'configs').rglob('*.py'):
        assert '://' not in path.read_text(), path
    for path in CONFIGS + BASES:
        assert 'drop_path_rate' not in path.read_text(), path


def test_quick_start_names_no_checkpoint() -> None:
    quick = [path for path in CONFIGS if path.parent.name == 'quickstart']
    assert quick
    for path in quick:
        text = Config.fromfile(path).pretty_text  # what the log prints
        assert not re.search(r'init_cfg|official|\.pth', text), path


def test_init_cfg_can_be_switched_off_and_on() -> None:
    def options(*texts: str) -> Any:
        parser = ArgumentParser()
        parser.add_argument('--cfg-options', nargs='+', action=DictAction)
        return parser.parse_args(['--cfg-options', *texts]).cfg_options

    configs = ROOT / 'configs'
    pvt = Config.fromfile(configs / 'pvt/retinanet_pvt-tiny_fpn_1x_coco.py')
    pvt.merge_from_dict(options('model.backbone.init_cfg=None'))
    assert pvt.model.backbone.init_cfg is None
    cvt = Config.fromfile(configs / 'cvt/retinanet_cvt-13_fpn_1x_coco.py')
    cvt.merge_from_dict(
        options(
            'model.backbone.init_cfg.type=Pretrained',
            'model.backbone.init_cfg.checkpoint=CvT-13.pth',
        )
    )
    assert cvt.model.backbone.init_cfg.checkpoint == 'CvT-13.pth'


# Published recipes: the last block's drop path, and Adam's settings.
DROP_PATH = {
    'pvt/retinanet_pvt-tiny_fpn_1x_coco': 0.1,
    'pvt/mask-rcnn_pvt-v2-b5_fpn_1x_coco': 0.1,
    'pvt/retinanet_pvt-medium_fpn_1x_coco': 0.0,
    'pvt/mask-rcnn_pvt-medium_fpn_1x_coco': 0.0,
    'pvt/retinanet_pvt-large_fpn_1x_coco': 0.0,
    'pvt/mask-rcnn_pvt-large_fpn_1x_coco': 0.0,
    'pvt/semantic-fpn_pvt-large_8xb4-40k_ade20k-512x512': 0.1,
    'pvt/semantic-fpn_pvt-medium_4xb4-80k_ade20k-512x512': 0.1,
    'pvt/upernet_pvt-medium_8xb2-160k_ade20k-512x512': 0.1,
    'quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes': 0.0,
    'quickstart/semantic-fpn_pvt-v2-b0_1xb8-600_shapes-128x128': 0.0,
    'cvt/mask-rcnn_cvt-13_fpn_1x_coco': 0.1,
    'cvt/mask-rcnn_cvt-w24_fpn_1x_coco': 0.3,
}


@pytest.mark.parametrize(('name', 'rate'), DROP_PATH.items())
def test_drop_path_is_the_published_one(name: str, rate: float) -> None:
    model = build(load(ROOT / 'configs' / f'{name}.py'))
    last = model.backbone.stages[-1].blocks[-1]
    assert last.drop_path.rate == pytest.approx(rate)


ADAM = {
    'pvt/retinanet_pvt-v2-b2_fpn_1x_coco': (1e-4, 1e-4, 16),
    'pvt/retinanet_pvt-v2-b4_fpn_1x_coco': (1e-4 / 1.4, 1e-4, 8),
    'pvt/retinanet_pvt-large_fpn_1x_coco': (1e-4, 1e-4, 16),
    'pvt/mask-rcnn_pvt-v2-b2_fpn_1x_coco': (2e-4, 1e-4, 16),
    'pvt/mask-rcnn_pvt-large_fpn_1x_coco': (2e-4 / 1.4, 1e-4, 8),
    'pvt/mask-rcnn_pvt-v2-b2_fpn_ms-crop-3x_coco': (1e-4, 0.05, 16),
    'pvt/semantic-fpn_pvt-small_8xb4-40k_ade20k-512x512': (2e-4, 1e-4, 32),
    'pvt/semantic-fpn_pvt-small_4xb4-80k_ade20k-512x512': (1e-4, 1e-4, 16),
    'pvt/upernet_pvt-small_8xb2-160k_ade20k-512x512': (6e-5, 0.01, 16),
}


@pytest.mark.parametrize(('name', 'adam'), ADAM.items())
def test_adam_is_the_published_one(
    name: str, adam: tuple[float, float, int]
) -> None:
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    optimizer = cfg.optim_wrapper.optimizer
    batch = cfg.auto_scale_lr.base_batch_size
    assert optimizer.type == 'AdamW'
    assert (optimizer.lr, optimizer.weight_decay, batch) == adam
    gpus = 4 if '4xb4' in name else 8
    assert batch == gpus * cfg.train_dataloader.batch_size


@pytest.mark.parametrize(
    'name',
    [
        'pvt/upernet_pvt-tiny_8xb2-160k_ade20k-512x512',
        'cvt/cascade-mask-rcnn_cvt-13_fpn_ms-crop-3x_coco',
    ],
)
def test_norms_and_positions_are_not_decayed(name: str) -> None:
    cfg = load(ROOT / 'configs' / f'{name}.py')
    model = build(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    decay = {
        id(parameter): group['weight_decay']
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    usual = cfg.optim_wrapper.optimizer.weight_decay
    for path, parameter in model.backbone.named_parameters():
        spared = re.search(r'norm|\bbn\b|pos_embed|cls_token', path)
        assert decay[id(parameter)] == (0 if spared else usual), path


def test_multi_scale_training_has_the_published_sizes() -> None:
    cfg = Config.fromfile(
        ROOT / 'configs/pvt/mask-rcnn_pvt-v2-b2_fpn_ms-crop-3x_coco.py'
    )
    choice = cfg.train_dataloader.dataset.pipeline[3]
    assert choice.type == 'RandomChoice'
    scales = choice.transforms[0][0].scales
    assert [short for short, _ in scales] == list(range(480, 801, 32))


def test_mmseg_infers_with_our_configs() -> None:
    name = 'semantic-fpn_pvt-v2-b0_1xb8-600_shapes-128x128.py'
    path = ROOT / 'configs' / 'quickstart' / name
    model = init_model(str(path), device='cpu')
    result = inference_model(model, np.zeros((64, 96, 3), np.uint8))
    assert result.pred_sem_seg.shape == (64, 96)
