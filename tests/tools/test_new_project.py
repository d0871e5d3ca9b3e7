"""From a folder of one's own data to a config, and to a trained model."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import own_folders
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from own_folders import LAYOUTS, ask
from PIL import Image

from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/your-own-data.md'
SPLITS = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    shapes.ensure_shapes(folder, {'train2017': 16, 'val2017': 4})
    return folder


@pytest.mark.parametrize(
    ('layout', 'head'),
    [
        ('coco', None),
        ('coco', 'cascade-mask-rcnn'),
        ('yolo', None),
        ('masks', None),
        ('masks', 'upernet'),
    ],
)
def test_a_config_is_written(
    tool: Callable, made: Path, tmp_path: Path, layout: str, head: str | None
) -> None:
    data = LAYOUTS[layout][0](tmp_path / 'data', made)
    args = ask(layout, data, tmp_path / 'mine')
    args += ['--head', head] if head else []
    ended = tool('new_project.py', *args)
    assert ended.code == 0, ended.err
    check, train, test = ended.out.splitlines()[-3:]
    assert 'check_dataset.py' in check
    assert 'train.py' in train
    assert 'test.py' in test
    path = tmp_path / 'mine/mine.py'
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    MODELS.build(cfg.model)
    names = (
        ('ground', *shapes.CLASSES) if layout == 'masks' else (shapes.CLASSES)
    )
    told = cfg.train_dataloader.dataset.metainfo
    assert tuple(told.classes) == names
    assert len({tuple(c) for c in told.palette}) == len(names)
    assert not re.search(rf'num_classes=(?!{len(names)}\b)', path.read_text())
    again = tool('new_project.py', *args)
    assert again.code == 2
    assert 'nothing is overwritten' in again.err


def test_polygons_are_masks(
    tool: Callable, made: Path, tmp_path: Path
) -> None:
    data = own_folders.yolo(tmp_path / 'data', made, polygons=True)
    project = tmp_path / 'mine'
    ended = tool('new_project.py', *ask('yolo', data, project))
    assert 'mask-rcnn with' in ended.out
    content = json.loads((project / 'annotations/train.json').read_text())
    each = content['annotations'][0]
    x, y, w, h = each['bbox']
    assert each['area'] == pytest.approx(w * h)
    corners = [x, y, x + w, y, x + w, y + h, x, y + h]
    assert each['segmentation'] == [pytest.approx(corners)]
    scored = json.loads((project / 'annotations/val.json').read_text())
    files = [
        {each['file_name'] for each in part['images']}
        for part in (content, scored)
    ]
    assert not files[0] & files[1]
    assert len(files[0] | files[1]) == 16
    assert {e['category_id'] for e in content['annotations']} == set(range(4))


def first(data: Path, pattern: str) -> Path:
    return sorted(data.glob(pattern))[0]


def outside(data: Path) -> None:
    first(data, 'labels/*').write_text('0 0.5 1.5 0.1 0.1\n')


def beyond(data: Path) -> None:
    first(data, 'labels/*').write_text('4 0.5 0.5 0.1 0.1\n')


def unlabelled(data: Path) -> None:
    for path in data.glob('labels/*'):
        path.write_text('')


def no_pictures(data: Path) -> None:
    shutil.rmtree(data / 'images')


def no_labels(data: Path) -> None:
    shutil.rmtree(data / 'labels')


def twice(data: Path) -> None:
    names = '[star_fish, Star Fish, circle, square]'
    (data / 'data.yaml').write_text(f'names: {names}\n')


def three_channels(data: Path) -> None:
    Image.new('RGB', (128, 128)).save(first(data, 'masks/*'))


def unlisted(data: Path) -> None:
    labels = np.full((128, 128), 77, np.uint8)
    Image.fromarray(labels).save(first(data, 'masks/*'))


def one_split_lacks(data: Path) -> None:
    path = data / 'annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    content['annotations'] = [
        each for each in content['annotations'] if each['category_id'] != 2
    ]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('layout', 'spoil', 'said'),
    [
        ('yolo', outside, r'000001.txt:1: 1.5 is outside \[0, 1\]'),
        ('yolo', beyond, r'000001.txt:1: class 4, but data.yaml names 4'),
        ('yolo', unlabelled, 'none of the 16 pictures has an annotation'),
        ('yolo', no_pictures, 'no pictures in'),
        ('yolo', no_labels, '16 pictures in .* but no annotations'),
        ('yolo', twice, "'star_fish', 'Star Fish'. are one name"),
        ('masks', three_channels, '000001.png: 3 channels'),
        ('masks', unlisted, r'000001.png: 16384 pixels of label 77'),
        ('coco', one_split_lacks, 'without training pictures: square'),
    ],
)
def test_bad_data_is_one_line(
    tool: Callable,
    made: Path,
    tmp_path: Path,
    layout: str,
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    data = LAYOUTS[layout][0](tmp_path / 'data', made)
    spoil(data)
    project = tmp_path / 'mine'
    ended = tool('new_project.py', *ask(layout, data, project))
    assert ended.code == 2
    assert re.fullmatch(f'error: .*{said}.*\n', ended.err), ended.err
    assert not project.exists()


def test_bad_options_are_one_line(
    tool: Callable, made: Path, tmp_path: Path
) -> None:
    data = own_folders.coco(tmp_path / 'data', made)
    project = tmp_path / 'mine'
    other = tmp_path / 'other.pth'
    names = {'classes': list(shapes.CLASSES)}
    held = {'backbone.conv.weight': torch.zeros(3)}
    torch.save({'state_dict': held, 'meta': {'dataset_meta': names}}, other)
    for given, said in (
        (['--backbone', 'pvt-v2-b22'], "the nearest are ['pvt-v2-b2'"),
        (['--from', other], 'its names fit no known layout'),
        (['--head', 'upernet'], "'upernet' is none of detection"),
        (['--val-fraction', '2'], '--val-fraction=2.0 is not between'),
    ):
        args = [*ask('coco', data, project), *given]
        ended = tool('new_project.py', *args)
        assert ended.code == 2
        assert ended.err.count('\n') == 1
        assert said in ended.err
        assert not project.exists()


def test_label_maps_of_ade20k(
    tool: Callable, shared: Path, tmp_path: Path
) -> None:
    names = tmp_path / 'names.txt'
    names.write_text(''.join(f'class {n}\n' for n in range(150)))
    data = shared / 'data/ade20k_mini'
    args = [*ask('masks', data, tmp_path / 'ade'), '--classes', names]
    refused = tool('new_project.py', *args)
    assert 'classes without training pictures' in refused.err
    ended = tool('new_project.py', *args, '--val-fraction', '0.3')
    assert ended.code == 0, ended.err
    assert '7 pictures to train on, 1 to score' in ended.out


@pytest.mark.slow
@pytest.mark.parametrize('layout', LAYOUTS)
def test_from_folder_to_scores_as_the_page_says(
    command: Callable[..., str], made: Path, tmp_path: Path, layout: str
) -> None:
    """Its commands, and those that it prints, cut short."""
    data = LAYOUTS[layout][0](tmp_path / 'data', made)
    (line,) = re.findall(
        rf'^(python tools/new_project.py my-{layout}.*)$',
        PAGE.read_text().replace('\\\n', ' '),
        re.MULTILINE,
    )
    given = line.split()[3:]
    given[given.index('--data') + 1] = str(data)
    project = tmp_path / f'my-{layout}'
    out = command(ROOT / 'tools/new_project.py', project, *given)
    check, train, test = (each.split() for each in out.splitlines()[-3:])
    command(ROOT / 'tools/check_dataset.py', check[-1])
    options = ['model.backbone.init_cfg=None']
    for split in SPLITS:
        options.append(f'{split}_dataloader.num_workers=0')
        options.append(f'{split}_dataloader.persistent_workers=False')
    if layout == 'masks':
        options += ['train_cfg.max_iters=2', 'train_cfg.val_interval=2']
        options += ['default_hooks.checkpoint.interval=2']
        name, score = 'iter_2.pth', 'mIoU'
    else:
        options += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
        options += ['default_hooks.checkpoint.interval=1']
        for split, count in zip(SPLITS, (4, 2, 2), strict=True):
            options.append(f'{split}_dataloader.dataset.indices={count}')
        # an untrained detector is sure of nothing; some guesses are scored
        place = 'model.test_cfg.rcnn' if layout == 'coco' else 'model.test_cfg'
        options += [f'{place}.score_thr=0.0', f'{place}.max_per_img=10']
        name, score = 'epoch_1.pth', 'bbox_mAP'
    cut = ['--cfg-options', *options]
    assert score in command(ROOT / 'tools/train.py', *train[2:], *cut)
    assert test[2] == train[2]
    seen = tmp_path / 'seen'
    told = command(
        *(ROOT / 'tools/test.py', test[2], project / 'work_dir' / name),
        *('--show-dir', seen, *cut),
    )
    assert score in told
    assert list(seen.rglob('*.[jp]*g'))
    photo = first(data, '**/*.jpg')
    found = tmp_path / 'found'
    asked = ['--from', project / 'work_dir', photo, '--out', found]
    command(ROOT / 'tools/infer.py', *asked)
    assert [each.name for each in found.glob('pictures/*')] == [photo.name]
