"""Training and testing on real COCO and ADE20K, as a user does it.

The shipped configs run as they are, on a few pictures made small.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vitdense

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., str]

MASK_RCNN = 'pvt/mask-rcnn_pvt-v2-b0_fpn_1x_coco.py'
RETINANET = 'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
SEMANTIC_FPN = 'pvt/semantic-fpn_pvt-v2-b0_8xb4-40k_ade20k-512x512.py'
UPERNET = 'pvt/upernet_pvt-v2-b0_8xb2-160k_ade20k-512x512.py'
# On frozen features; with windows that slide.
LINEAR = 'vit/linear_vit-dinov3-s_8xb2-40k_ade20k-512x512.py'
# One Mask R-CNN and one UPerNet of each other family.
MASK_RCNNS = (
    MASK_RCNN,
    'cvt/mask-rcnn_cvt-13_fpn_1x_coco.py',
    't2t/mask-rcnn_t2t-14_fpn_1x_coco.py',
)
UPERNETS = (
    UPERNET,
    'cvt/upernet_cvt-13_8xb2-160k_ade20k-512x512.py',
    't2t/upernet_t2t-14_8xb2-160k_ade20k-512x512.py',
)
# Plain ViTs, whose pyramids are made by the neck: LSJ, cropped.
PLAIN = {
    'small': 'vit/mask-rcnn_vit-vitdet-b_sfp_lsj-100e_coco.py',
    'dinov2-s-reg': 'vit/mask-rcnn_vit-dinov2-s_sfp_lsj-100e_coco.py',
    'dinov3-s': 'vit/mask-rcnn_vit-dinov3-s_sfp_lsj-100e_coco.py',
}
PLAIN_UPERNETS = {
    'small': 'vit/upernet_vit-base_8xb2-160k_ade20k-512x512.py',
    'dinov2-s-reg': 'vit/upernet_vit-dinov2-s_8xb2-160k_ade20k-512x512.py',
    'dinov3-s': 'vit/upernet_vit-dinov3-s_8xb2-160k_ade20k-512x512.py',
}
RESIZED = 'train_dataloader.dataset.pipeline.2.scale=(160,128)'
# An untrained detector is sure of nothing: keep its best guesses all the same.
GUESSES = {
    **dict.fromkeys((*MASK_RCNNS, *PLAIN.values()), 'model.test_cfg.rcnn'),
    RETINANET: 'model.test_cfg',
}


def loader_options(data_root: Path, batch_size: int) -> list[str]:
    """Four pictures to train on and three to score, in this process."""
    return [
        'model.backbone.init_cfg=None',
        f'train_dataloader.batch_size={batch_size}',
        *(
            f'{split}_dataloader.{option}'
            for split, count in (('train', 4), ('val', 3), ('test', 3))
            for option in (
                'num_workers=0',
                'persistent_workers=False',
                f'dataset.data_root={data_root}',
                f'dataset.indices={count}',
            )
        ),
    ]


def coco_options(shared: Path, config: str, work_dir: Path) -> list[str]:
    root = shared / 'data' / 'coco_tiny'
    regions = []
    if config != RETINANET:  # each costs some convolutions
        regions = [
            'model.train_cfg.rcnn.sampler.num=32',
            'model.test_cfg.rpn.max_per_img=50',
        ]
    return [
        *loader_options(root, batch_size=2),
        *regions,
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'default_hooks.logger.interval=1',
        f'{GUESSES[config]}.score_thr=0.0',
        f'{GUESSES[config]}.max_per_img=20',
        *(
            option
            for split in ('val', 'test')
            for option in (
                f'{split}_dataloader.dataset.pipeline.1.scale=(160,128)',
                f'{split}_evaluator.ann_file='
                f'{root}/annotations/instances_val2017.json',
                f'{split}_evaluator.outfile_prefix={work_dir}/{split}',
            )
        ),
    ]


def ade_options(shared: Path) -> list[str]:
    return [
        *loader_options(shared / 'data' / 'ade20k_mini', batch_size=2),
        'model.data_preprocessor.size=(64,64)',
        'train_dataloader.dataset.pipeline.2.scale=(256,64)',
        'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
        'val_dataloader.dataset.pipeline.1.scale=(256,64)',
        'test_dataloader.dataset.pipeline.1.scale=(256,64)',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.logger.interval=1',
    ]


def scores_of_training(work_dir: Path) -> dict[str, float]:
    """What the last validation of a training run scored."""
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    return scores(json.loads(log.read_text().splitlines()[-1]))


def scores_of_test(work_dir: Path) -> dict[str, float]:
    """What a test run scored."""
    (result,) = work_dir.glob('*/*.json')
    return scores(json.loads(result.read_text()))


def scores(record: dict[str, float]) -> dict[str, Any]:
    return {
        name: pytest.approx(value, nan_ok=True)
        for name, value in record.items()
        if name not in ('time', 'data_time', 'step')
    }


def train_and_test(
    command: Command, config: str, work_dir: Path, options: list[str]
) -> str:
    """Train, save, reload, and get the same scores; returns the log."""
    file = ROOT / 'configs' / config
    log = command(
        ROOT / 'tools' / 'train.py',
        *(file, '--work-dir', work_dir, '--cfg-options', *options),
    )
    assert f'work folder: {work_dir}' in log
    assert 'eta: ' in log
    checkpoint = work_dir / (work_dir / 'last_checkpoint').read_text()
    tested = work_dir / 'tested'
    command(
        ROOT / 'tools' / 'test.py',
        *(file, checkpoint, '--work-dir', tested, '--cfg-options', *options),
    )
    assert scores_of_training(work_dir) == scores_of_test(tested)
    return log


def mostly_slow(configs: tuple[str, ...]) -> list[Any]:
    """The first config, and the others for those who wait."""
    first, *others = configs
    return [first, *(pytest.param(c, marks=pytest.mark.slow) for c in others)]


@pytest.mark.parametrize('config', mostly_slow((*MASK_RCNNS, RETINANET)))
def test_coco(
    shared: Path, command: Command, tmp_path: Path, config: str
) -> None:
    options = [*coco_options(shared, config, tmp_path), RESIZED]
    detect(command, config, tmp_path, options)


@pytest.mark.slow
@pytest.mark.parametrize('arch', PLAIN)
def test_plain_vits_on_coco(
    shared: Path, command: Command, tmp_path: Path, arch: str
) -> None:
    config = PLAIN[arch]
    options = [
        *coco_options(shared, config, tmp_path),
        'train_dataloader.dataset.pipeline.3.scale=(160,160)',
        'train_dataloader.dataset.pipeline.3.ratio_range=(0.8,1.2)',
        'train_dataloader.dataset.pipeline.4.crop_size=(160,160)',
        f'model.backbone.arch={arch}',
        'model.neck.in_channels=[384]',
    ]
    detect(command, config, tmp_path, options)


def detect(
    command: Command, config: str, tmp_path: Path, options: list[str]
) -> None:
    """Train and test a detector: the same figures, of the same guesses."""
    log = train_and_test(command, config, tmp_path, options)
    kinds = ['bbox'] if config == RETINANET else ['bbox', 'segm']
    for kind in kinds:
        assert f'coco/{kind}_AR@100' in log
        before, after = (
            json.loads((tmp_path / f'{split}.{kind}.json').read_text())
            for split in ('val', 'test')
        )
        assert len(before) > 3
        assert before == after


@pytest.mark.parametrize(
    'config', mostly_slow((SEMANTIC_FPN, *UPERNETS, LINEAR))
)
def test_ade20k(
    shared: Path, command: Command, tmp_path: Path, config: str
) -> None:
    options = ade_options(shared)
    if config == LINEAR:  # what is frozen has to be loaded
        file = tmp_path / 'backbone.pth'
        torch.save(vitdense.ViT('dinov3-s').state_dict(), file)
        options.append(f'model.backbone.init_cfg.checkpoint={file}')
        options.remove('model.backbone.init_cfg=None')
    log = train_and_test(command, config, tmp_path, options)
    assert 'mIoU' in log


@pytest.mark.slow
@pytest.mark.parametrize('arch', PLAIN_UPERNETS)
def test_plain_vits_on_ade20k(
    shared: Path, command: Command, tmp_path: Path, arch: str
) -> None:
    config = PLAIN_UPERNETS[arch]
    options = [*ade_options(shared), f'model.backbone.arch={arch}']
    if arch == 'small':  # as wide as the config of another arch is not
        options += [
            f'model.{name}.in_channels={channels}'
            for name, channels in (
                ('neck', [384] * 4),
                ('decode_head', [384] * 4),
                ('auxiliary_head', 384),
            )
        ]
        options.append('model.neck.out_channels=384')
    log = train_and_test(command, config, tmp_path, options)
    assert 'mIoU' in log


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_tools_of_the_libraries(
    shared: Path, command: Command, tmp_path: Path, library: str
) -> None:
    """The same configs train under mmdet's and mmseg's own tools."""
    if library == 'mmdet':
        config = RETINANET
        options = [*coco_options(shared, config, tmp_path), RESIZED]
    else:
        config = SEMANTIC_FPN
        options = ade_options(shared)
    spec = importlib.util.find_spec(library)
    assert spec is not None
    package = Path(spec.origin or '').parent
    command(
        package / '.mim' / 'tools' / 'train.py',
        *(ROOT / 'configs' / config, '--work-dir', tmp_path),
        *('--cfg-options', *options),
    )
    assert scores_of_training(tmp_path)
