"""Bad input ends in one line, before anything is written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

DETECTOR = 'configs/pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
SEGMENTER = 'configs/pvt/semantic-fpn_pvt-v2-b0_8xb4-40k_ade20k-512x512.py'
SCRATCH = 'model.backbone.init_cfg=None'


@pytest.fixture(autouse=True)
def _in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])


@pytest.fixture
def refuse(tool: Callable, tmp_path: Path) -> Callable[..., str]:
    """Run a tool that must end in one line and write nothing."""
    work_dir = tmp_path / 'work'

    def run(
        name: str, config: str, *args: object, options: Iterable[object] = ()
    ) -> str:
        given = ['--cfg-options', *options] if options else []
        outcome = tool(name, config, *args, '--work-dir', work_dir, *given)
        assert outcome.code == 2, outcome
        lines = outcome.err.splitlines()
        assert len(lines) == 1, outcome.err
        assert lines[0].startswith('error: ')
        assert not work_dir.exists()
        return lines[0]

    return run


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO data set of one picture and one box."""
    root = tmp_path / 'coco'
    for split in ('train2017', 'val2017'):
        (root / split).mkdir(parents=True)
        cv2.imwrite(str(root / split / '1.jpg'), np.zeros((32, 32, 3)))
        box = {
            'id': 7,
            'image_id': 1,
            'category_id': 3,
            'bbox': [1, 1, 9, 9],
            'area': 81,
            'iscrowd': 0,
        }
        content = {
            'images': [
                {'id': 1, 'file_name': '1.jpg', 'width': 32, 'height': 32}
            ],
            'categories': [{'id': 3, 'name': 'cup'}],
            'annotations': [box],
        }
        (root / 'annotations').mkdir(exist_ok=True)
        annotations(root, split).write_text(json.dumps(content))
    return root


def annotations(root: Path, split: str = 'train2017') -> Path:
    return root / 'annotations' / f'instances_{split}.json'


def coco_options(root: Path) -> list[str]:
    loaders = ('train', 'val', 'test')
    return [
        *(
            f'{loader}_dataloader.dataset.data_root={root}'
            for loader in loaders
        ),
        *(
            f'{loader}_dataloader.dataset.metainfo.classes=["cup"]'
            for loader in loaders
        ),
        'model.bbox_head.num_classes=1',
        f'val_evaluator.ann_file={annotations(root, "val2017")}',
        f'test_evaluator.ann_file={annotations(root, "val2017")}',
    ]


@pytest.fixture
def ade(tmp_path: Path) -> Path:
    """An ADE20K data set of one picture, all of it wall."""
    root = tmp_path / 'ade'
    for split in ('training', 'validation'):
        for kind, value in (('images', 0), ('annotations', 1)):
            folder = root / kind / split
            folder.mkdir(parents=True)
            suffix = 'jpg' if kind == 'images' else 'png'
            picture = np.full((32, 32), value, np.uint8)
            cv2.imwrite(str(folder / f'a.{suffix}'), picture)
    return root


def ade_options(root: Path) -> list[str]:
    return [
        f'{loader}_dataloader.dataset.data_root={root}'
        for loader in ('train', 'val', 'test')
    ]


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
def test_no_config(refuse: Callable, name: str) -> None:
    args = ['absent.pth'] * (name == 'test.py')
    line = refuse(name, 'absent.py', *args)
    assert "no config at 'absent.py'" in line


def test_malformed_option(refuse: Callable) -> None:
    refuse('train.py', DETECTOR, options=['no-equals-sign'])


def test_no_task(refuse: Callable) -> None:
    line = refuse('train.py', DETECTOR, options=['default_scope=mmpose'])
    assert "'mmpose'" in line
    assert "['mmdet', 'mmpretrain', 'mmseg']" in line


@pytest.mark.parametrize(
    ('option', 'named'),
    [
        ('model.backbone.arch=v9', ["'v9'", 'v2-b0']),
        ('model.backbone.out_indices=[0,9]', ['out_indices', '9']),
        ('model.backbone.type=vitdense.PVTT', ['PVTT']),
        (
            'model.neck.in_channels=[64,128,320,512]',
            ['[64, 128, 320, 512]', '[32, 64, 160, 256]', "'v2-b0'"],
        ),
    ],
)
def test_model(
    refuse: Callable, coco: Path, option: str, named: list[str]
) -> None:
    options = [*coco_options(coco), SCRATCH, option]
    line = refuse('train.py', DETECTOR, options=options)
    assert all(each in line for each in named), line


@pytest.mark.parametrize(
    ('option', 'named'),
    [
        ('decode_head.in_index=[0,1,2,7]', 'in_index=[0, 1, 2, 7]'),
        ('auxiliary_head.in_channels=7', 'auxiliary_head.in_channels=[7]'),
    ],
)
def test_heads_beyond_the_pyramid(
    refuse: Callable, ade: Path, option: str, named: str
) -> None:
    config = 'configs/pvt/upernet_pvt-v2-b0_8xb2-160k_ade20k-512x512.py'
    options = [*ade_options(ade), SCRATCH, f'model.{option}']
    assert named in refuse('train.py', config, options=options)


def test_missing_data(refuse: Callable, tmp_path: Path) -> None:
    absent = tmp_path / 'absent'
    for config in (DETECTOR, SEGMENTER):
        option = f'train_dataloader.dataset.data_root={absent}'
        line = refuse('train.py', config, options=[option])
        assert 'train_dataloader.dataset.data_root' in line
        assert str(absent) in line


def test_empty_data(refuse: Callable, coco: Path) -> None:
    (coco / 'train2017' / '1.jpg').unlink()
    line = refuse('train.py', DETECTOR, options=coco_options(coco))
    assert 'train2017' in line
    assert 'empty' in line


def test_pictures_not_there(refuse: Callable, coco: Path) -> None:
    (coco / 'train2017' / '1.jpg').rename(coco / 'train2017' / '2.jpg')
    line = refuse('train.py', DETECTOR, options=coco_options(coco))
    assert '1 of the 1 images' in line
    assert '1.jpg' in line


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('<xml/>', 'not JSON'),
        ('[1, 2]', 'not a COCO annotation file'),
        ('{"images": [], "categories": []}', "['annotations']"),
        ('{"images":[],"categories":[],"annotations":[]}', 'no images'),
    ],
)
def test_not_coco(
    refuse: Callable, coco: Path, content: str, said: str
) -> None:
    annotations(coco).write_text(content)
    line = refuse('train.py', DETECTOR, options=coco_options(coco))
    assert said in line
    assert str(annotations(coco)) in line


def test_classes_not_in_the_file(refuse: Callable, coco: Path) -> None:
    options = [*coco_options(coco)]
    options[3] = 'train_dataloader.dataset.metainfo.classes=["mug"]'
    line = refuse('train.py', DETECTOR, options=options)
    assert 'mug' in line
    assert "['cup']" in line


def test_label_outside_the_categories(refuse: Callable, coco: Path) -> None:
    content = json.loads(annotations(coco).read_text())
    content['annotations'][0]['category_id'] = 90
    annotations(coco).write_text(json.dumps(content))
    line = refuse('train.py', DETECTOR, options=coco_options(coco))
    assert 'category_id=90' in line
    assert '[3]' in line


def test_num_classes(refuse: Callable, coco: Path) -> None:
    options = [*coco_options(coco), 'model.bbox_head.num_classes=80']
    line = refuse('train.py', DETECTOR, options=options)
    assert 'model.bbox_head.num_classes=80' in line
    assert "['cup']" in line


def test_label_map_outside_the_classes(refuse: Callable, ade: Path) -> None:
    path = ade / 'annotations' / 'training' / 'a.png'
    cv2.imwrite(str(path), np.full((8, 8), 151, np.uint8))
    line = refuse('train.py', SEGMENTER, options=ade_options(ade))
    assert 'label 151' in line
    assert '0..150 and 255' in line
    assert str(path) in line


def test_image_smaller_than_a_patch(
    refuse: Callable, coco: Path, ade: Path
) -> None:
    small = 'dataset.pipeline.2.scale=(2,2)'
    options = [
        *coco_options(coco),
        f'train_dataloader.{small}',
        'model.data_preprocessor.pad_size_divisor=1',
        SCRATCH,
    ]
    line = refuse('train.py', DETECTOR, options=options)
    assert '1.jpg' in line
    assert '2 x 2 pixels; it needs at least' in line
    small = 'val_dataloader.dataset.pipeline.2.size_divisor=1'
    options = [
        *ade_options(ade),
        SCRATCH,
        small,
        'val_dataloader.dataset.pipeline.1.scale=(2,2)',
    ]
    line = refuse('train.py', SEGMENTER, options=options)
    assert 'val_dataloader' in line
    assert '2 x 2 pixels' in line


def test_checkpoint(refuse: Callable, coco: Path, tmp_path: Path) -> None:
    absent = tmp_path / 'absent.pth'
    options = coco_options(coco)
    line = refuse('test.py', DETECTOR, absent, options=options)
    assert str(absent) in line
    line = refuse(
        'train.py',
        DETECTOR,
        options=[*options, SCRATCH, f'load_from={absent}'],
    )
    assert str(absent) in line
    torch.save({'state_dict': {'head.weight': torch.ones(1)}}, absent)
    line = refuse('test.py', DETECTOR, absent, options=options)
    assert '1 unexpected (head.weight)' in line
    assert 'missing' in line


def test_pretrained(refuse: Callable, coco: Path, tmp_path: Path) -> None:
    absent = tmp_path / 'absent.pth'
    pretrained = f'model.backbone.init_cfg.checkpoint={absent}'
    line = refuse(
        'train.py', DETECTOR, options=[*coco_options(coco), pretrained]
    )
    assert str(absent) in line


def test_nothing_to_resume(refuse: Callable, tmp_path: Path) -> None:
    absent = tmp_path / 'absent.pth'
    assert str(absent) in refuse('train.py', DETECTOR, '--resume', absent)


def test_amp(refuse: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('vitdense.preflight.amp.get_device', lambda: 'mps')
    line = refuse('train.py', DETECTOR, '--amp')
    assert 'mps' in line
    assert "['cpu', 'cuda']" in line


def test_auto_scale_lr(refuse: Callable) -> None:
    line = refuse(
        'train.py', DETECTOR, '--auto-scale-lr', options=['auto_scale_lr=None']
    )
    assert 'auto_scale_lr.base_batch_size' in line


def test_unknown_argument(tool: Callable) -> None:
    outcome = tool('train.py', DETECTOR, '--epochs', '3')
    assert outcome.code == 2
    assert outcome.err == 'error: unrecognized arguments: --epochs 3\n'


def test_missing_system_library(tmp_path: Path) -> None:
    """OpenCV on a bare machine; stood in for by a package that says so."""
    said = 'libGL.so.1: cannot open shared object file'
    (tmp_path / 'cv2.py').write_text(f'raise ImportError({said!r})')
    done = subprocess.run(
        [sys.executable, 'tools/train.py', DETECTOR],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}.'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f'error: {said}')
    assert len(done.stderr.splitlines()) == 1, done.stderr
