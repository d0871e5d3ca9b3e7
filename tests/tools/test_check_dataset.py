"""Data sets are looked at from the command line, by config or by files."""

import importlib.util
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from broken_data import (
    BREAKS,
    cut,
    make_coco,
    make_labels,
    repaint,
)
from small_runs import DETECTOR, SEGMENTER, small_shapes, where

__all__ = ['small_shapes']

TOOL = 'check_dataset.py'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/pvt'
ON_COCO = CONFIGS / 'mask-rcnn_pvt-v2-b0_fpn_1x_coco.py'
ON_ADE20K = CONFIGS / 'upernet_pvt-v2-b0_8xb2-160k_ade20k-512x512.py'
STOCK_COCO = 'mmdet', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
STOCK_VOC = 'mmseg', '_base_/datasets/pascal_voc12.py'
STOCK_RUNTIME = 'mmseg', '_base_/default_runtime.py'


def data_roots(root: Path) -> list[str]:
    return [
        f'{split}_dataloader.dataset.data_root={root}'
        for split in ('train', 'val', 'test')
    ]


def stock(library: str, name: str) -> Path:
    """A config as a library ships it."""
    spec = importlib.util.find_spec(library)
    assert spec is not None
    return Path(spec.origin or '').parent / '.mim/configs' / name


def of_coco(root: Path, split: str = 'train') -> list[object]:
    file = root / f'annotations/{split}.json'
    return ['--coco', file, '--images', root / split]


def of_labels(root: Path) -> list[object]:
    folders: list[object] = [
        '--masks',
        root / 'labels',
        '--images',
        root / 'images',
    ]
    return [*folders, '--classes', '2', '--reduce-zero-label']


@pytest.mark.parametrize(
    ('config', 'data', 'has'),
    [
        (ON_COCO, 'coco_tiny', '80 images, 705 annotations of '),
        (ON_ADE20K, 'ade20k_mini', '5 images with label maps of '),
    ],
)
def test_nothing_is_found_in_real_data(
    tool: Callable, shared: Path, config: Path, data: str, has: str
) -> None:
    options = data_roots(shared / 'data' / data)
    outcome = tool(TOOL, config, '--strict', '--cfg-options', *options)
    assert outcome.code == 0, outcome
    first, second, last = outcome.out.splitlines()
    assert first.startswith(f'train_dataloader.dataset: {has}')
    # both use the same
    assert second.startswith('val_dataloader.dataset, test_dataloader.dataset')
    assert last == '0 errors, 0 warnings'


def test_stock_config_of_mmdet(
    tool: Callable, shared: Path, tmp_path: Path
) -> None:
    root = tmp_path / 'coco'
    shutil.copytree(shared / 'data/coco_tiny', root)
    config = stock(*STOCK_COCO)
    file = root / 'annotations/instances_val2017.json'
    said = json.loads(file.read_text())
    first = said['annotations'][0]
    first['bbox'][2] = float('nan')
    file.write_text(json.dumps(said))
    cut(next((root / 'train2017').iterdir()))
    outcome = tool(TOOL, config, '--cfg-options', *data_roots(root))
    assert outcome.code == 1, outcome
    assert f'annotations[0] id {first["id"]}: box [' in outcome.out
    assert ', nan, ' in outcome.out
    assert ': a JPEG cut off after ' in outcome.out
    assert outcome.out.endswith('\n2 errors, 0 warnings\n')


def test_validation_on_what_is_trained_on(
    tool: Callable, small_shapes: Path
) -> None:
    ade = 'val_dataloader.dataset.data_prefix'
    options = [
        f'{key}={value}'
        for key, value in where(small_shapes, SEGMENTER).items()
        if 'data_root' in key
    ]
    outcome = tool(
        TOOL,
        *(SEGMENTER, '--cfg-options', *options),
        f'{ade}.img_path=ade20k/images/training',
        f'{ade}.seg_map_path=ade20k/annotations/training',
    )
    assert outcome.code == 1, outcome
    assert outcome.out.endswith('\n4 errors, 0 warnings\n')
    assert 'image-shared' in outcome.out


def make_voc(root: Path) -> None:
    """VOC's layout: all pictures in one folder, lists for the splits."""
    make_labels(root.parent / 'made')
    folders = {'images': 'JPEGImages', 'labels': 'SegmentationClass'}
    lists = root / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    for old, new in folders.items():
        (root / new).mkdir()
        for split in ('train', 'val'):
            for path in sorted((root.parent / 'made' / old / split).iterdir()):
                shutil.copy(path, root / new)
                if old == 'images':
                    with (lists / f'{split}.txt').open('a') as file:
                        file.write(f'{path.stem}\n')


def test_stock_config_of_mmseg(tool: Callable, tmp_path: Path) -> None:
    root, copy = tmp_path / 'VOC2012', tmp_path / 'copy'
    make_voc(root)
    repaint(root / 'SegmentationClass/1.png', 'P', 77)
    (root / 'SegmentationClass/2.png').unlink()
    bases = [str(stock(*each)) for each in (STOCK_VOC, STOCK_RUNTIME)]
    config = tmp_path / 'mine.py'
    config.write_text(f'_base_ = {bases}')
    options = ['--cfg-options', *data_roots(root)]
    outcome = tool(TOOL, config, '--fix', copy, *options)
    assert outcome.code == 1, outcome
    for kind in ('label-map-missing', 'label-out-of-range'):
        assert kind in outcome.out
    assert 'pixels of label 77; choose from 0..20 and 255' in outcome.out
    names = (copy / 'ImageSets/Segmentation/train.txt').read_text()
    assert names.split() == ['1', '3']
    again = tool(TOOL, config, '--strict', '--cfg-options', *data_roots(copy))
    assert again.code == 0, again


def test_table_report_and_exit_codes(tool: Callable, tmp_path: Path) -> None:
    def change(root: Path, said: dict) -> None:
        for kind in ('area-wrong', 'box-empty'):
            BREAKS[kind][0](root, said)

    make_coco(tmp_path / 'data', change)
    make_coco(tmp_path / 'warned', BREAKS['area-wrong'][0])
    file = tmp_path / 'report.json'
    outcome = tool(TOOL, *of_coco(tmp_path / 'data'), '--json', file)
    assert outcome.code == 1
    assert outcome.err == ''
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[2] == ['severity', 'finding', 'count', 'data', 'set', 'first']
    said = 'annotations[0] id 1: box [5, 8, 0, 10]'
    assert lines[3] == ['error', 'box-empty', '1', 'train.json', *said.split()]
    assert lines[4][:3] == ['warning', 'area-wrong', '1']
    report = json.loads(file.read_text())
    assert (report['errors'], report['warnings']) == (1, 1)
    (error, warning) = report['findings']
    assert warning['severity'] == 'warning'
    assert error['finding'] == 'box-empty'
    assert error['data_set'] == 'train.json'
    assert error['found'] == [
        {'place': 'annotations[0]', 'id': 1, 'detail': 'box [5, 8, 0, 10]'}
    ]
    warned = of_coco(tmp_path / 'warned')
    assert tool(TOOL, *warned).code == 0
    assert tool(TOOL, *warned, '--strict').code == 1
    assert tool(TOOL, *of_coco(tmp_path / 'data', 'val')).code == 0


def test_label_maps_by_folder(tool: Callable, tmp_path: Path) -> None:
    root, copy = tmp_path / 'data', tmp_path / 'copy'
    make_labels(root)
    assert tool(TOOL, *of_labels(root), '--strict').code == 0
    repaint(root / 'labels/train/1.png', 'L', 7)
    (root / 'images/train/2.jpg').unlink()
    (root / 'labels/val/11.png').unlink()
    outcome = tool(TOOL, *of_labels(root), '--fix', copy)
    assert outcome.code == 1
    found = [line.split()[1] for line in outcome.out.splitlines()[3:6]]
    assert found == [
        'image-missing',
        'label-map-missing',
        'label-out-of-range',
    ]
    assert outcome.out.splitlines()[-2].startswith('labels: 3 images with')
    assert outcome.out.endswith('\n0 errors, 0 warnings\n')
    assert tool(TOOL, *of_labels(copy), '--strict').code == 0
    # without a number of classes, any label is one
    (root / 'labels/val/11.png').touch()
    some: list[object] = [
        '--masks',
        root / 'labels/train',
        '--images',
        root / 'images/val',
    ]
    assert tool(TOOL, *some).code == 2
    some[-1] = root / 'images/train'
    assert 'label-out' not in tool(TOOL, *some).out


BAD_INPUT = {
    '': "nothing given; give one of ['CONFIG', '--coco', '--masks']",
    'a.py --coco b.json': "['CONFIG', '--coco'] given",
    'absent.py': "no config at 'absent.py'",
    '--coco': 'expected one argument',
    '--coco {file}': '--coco needs --images',
    '--coco absent --images {root}': "--coco: no file 'absent'",
    '--coco {file} --images absent': "--images: no folder 'absent'",
    '--coco {root}/train/1.jpg --images {root}': 'is not JSON',
    '--coco {file} --images {root} --classes 3': '--classes goes with --masks',
    '--coco {file} --images {root} --ignore-index 3': '--ignore-index goes',
    '--coco {file} --images {root} --cfg-options a=1': '--cfg-options goes',
    '--masks {root} --images absent': "--images: no folder 'absent'",
    '--masks absent --images {root}': "--masks: no folder 'absent'",
    '--masks {root}/annotations --images {root}/train': 'no picture of ',
    '--masks {root} --images {root} --classes 0': '--classes=0 is not',
    '--coco {file} --images {root} --processes 0': '--processes=0 is not',
    '--coco {file} --images {root} --json absent/a': '--json',
    '--coco {file} --images {root} --fix absent/a': 'no folder',
    '--coco {file} --images {root} --fix {root}/train/1.jpg': 'is a file',
    '--coco {file} --images {root} --fix {root}': 'original',
    '--coco {file} --images {root}/train --fix {root}/train/a': 'original',
    '--coco {file} --images {root}/train --fix {root}/val': 'is not empty',
    '--coco {file} --images {root}/train --fix {root}/a --skip-pictures': (
        '--skip-pictures'
    ),
}


@pytest.mark.parametrize('options', BAD_INPUT)
def test_bad_input_is_one_line(
    tool: Callable, tmp_path: Path, options: str
) -> None:
    root = tmp_path / 'data'
    make_coco(root)
    before = sorted(tmp_path.rglob('*'))
    places = {'root': root, 'file': root / 'annotations/train.json'}
    outcome = tool(TOOL, *options.format(**places).split())
    assert outcome.code == 2, outcome
    assert outcome.out == ''
    (line,) = outcome.err.splitlines()
    assert line.startswith('error: ')
    assert BAD_INPUT[options] in line
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('train_dataloader.dataset.type=XMLDataset', 'XMLDataset is of no f'),
        ('train_dataloader.dataset.type=CocoPanopticDataset', 'of no format'),
        ('val_dataloader.dataset.ann_file=absent.json', 'no file'),
        ('val_dataloader.dataset.data_root=absent/', 'no folder'),
        (
            'val_dataloader.dataset.backend_args.backend=petrel',
            'not on this mach',
        ),
    ],
)
def test_what_a_config_names_has_to_be_there(
    tool: Callable, small_shapes: Path, tmp_path: Path, option: str, said: str
) -> None:
    config = stock(*STOCK_COCO)
    root = tmp_path / 'coco'
    shutil.copytree(small_shapes / 'coco', root)
    options = ['--cfg-options', *data_roots(root), option]
    outcome = tool(TOOL, config, *options)
    assert outcome.code == 2, outcome
    (line,) = outcome.err.splitlines()
    assert said in line
    assert option.partition('.')[0] in line


def test_a_copy_that_cannot_be_written_leaves_nothing(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_coco(tmp_path / 'data')

    def full(*args: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(shutil, 'copyfile', full)
    outcome = tool(
        TOOL,
        *of_coco(tmp_path / 'data'),
        *('--fix', tmp_path / 'copy', '--processes', 1),
    )
    assert outcome.code == 2
    assert outcome.err == 'error: [Errno 28] No space left on device\n'
    assert [each.name for each in tmp_path.iterdir()] == ['data']


def test_a_killed_process_is_one_line(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_coco(tmp_path / 'data')
    monkeypatch.setattr(
        'vitdense.datasets.audit.check.read_picture',
        lambda path: os.kill(os.getpid(), signal.SIGKILL),
    )
    options = [*of_coco(tmp_path / 'data'), '--processes', 2]
    outcome = tool(TOOL, *options)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith('error: A process in the process pool was ')


@pytest.mark.slow
@pytest.mark.parametrize('config', [DETECTOR, SEGMENTER])
def test_a_cleaned_copy_trains(
    tool: Callable, small_shapes: Path, tmp_path: Path, config: Path
) -> None:
    root, copy = tmp_path / 'shapes', tmp_path / 'copy'
    shutil.copytree(small_shapes, root)
    cut(root / 'coco/train2017/000004.jpg')
    cut(root / 'ade20k/images/training/000004.jpg')
    repaint(root / 'ade20k/annotations/training/000002.png', 'L', 99)
    file = root / 'coco/annotations/instances_train2017.json'
    said = json.loads(file.read_text())
    said['annotations'][0]['bbox'] = [float('nan')] * 4
    said['annotations'][1]['segmentation']['counts'] = [3]
    file.write_text(json.dumps(said))
    options = [f'{k}={v}' for k, v in where(root, config).items()]
    options = [each for each in options if 'dataset.data_root' in each]
    outcome = tool(TOOL, config, '--fix', copy, '--cfg-options', *options)
    assert outcome.code == 1, outcome
    assert outcome.out.endswith('0 errors, 0 warnings\n')
    # a generated data set is taken as it is where this file is
    shutil.copy(root / 'shapes.json', copy)
    trained = tool(
        'train.py',
        *(config, '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'{key}={value}' for key, value in where(copy, config).items()),
        'train_cfg.max_epochs=1'
        if config == DETECTOR
        else 'train_cfg.max_iters=2',
    )
    assert trained.code == 0, trained.err[-3000:]
    assert cv2.imread(str(copy / 'coco/train2017/000004.jpg')) is None
