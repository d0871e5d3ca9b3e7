"""Fine-tuning on one's own classes, as a user does it."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from own_shapes import own_config, write_own
from small_runs import DETECTOR, SEGMENTER

from vitdense.datasets import shapes

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools/train.py'
PAGE = ROOT / 'docs/fine-tuning.md'
RETINANET = ROOT / 'configs/pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
Command = Callable[..., str]

OLD = {
    'ground': 'ground',
    'circle': 'circle',
    'square': 'square',
    'star': 'star',
}
OWN = {
    'star': 'Star',
    'ground': 'ground',
    'triangle': 'roof',
    'circle': 'circle',
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('own')


def configs(folder: Path, base: Path, old: int, own: int) -> tuple[Path, Path]:
    """Configs of old and of own data, of so many pictures to train on."""
    kind = base.stem.partition('_')[0]
    made = []
    for name, names, count in (('old', OLD, old), ('own', OWN, own)):
        if base == DETECTOR:
            names = {k: v for k, v in names.items() if k != 'ground'}
        pictures = folder / f'shapes_{count}'
        shapes.ensure_shapes(pictures, {'train2017': count, 'val2017': 40})
        data = folder / f'{kind}_{name}'
        write_own(data, pictures, names)
        path = folder / f'{kind}_{name}.py'
        made.append(own_config(path, data, base, *names.values()))
    return made[0], made[1]


def train(
    command: Command,
    config: Path,
    work_dir: Path,
    options: Mapping[str, object],
    *args: object,
) -> dict[str, Any]:
    """Train; gives what the last validation scored."""
    given = [f'{key}={value}' for key, value in options.items()]
    command(
        *(TRAIN, config, '--fit-classes', '--work-dir', work_dir, *args),
        *('--cfg-options', *given),
    )
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    scored: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return scored


@pytest.mark.soak
def test_a_detector_learns_sooner(command: Command, folder: Path) -> None:
    """To two of its classes and a new one, in one epoch."""
    old, own = configs(folder, DETECTOR, 800, 200)
    train(command, old, folder / 'detector', {'train_cfg.max_epochs': 4})
    one = {
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'param_scheduler.0.end': 5,
        'param_scheduler.1.end': 1,
        'param_scheduler.1.T_max': 1,
    }
    tuned = train(
        *(command, own, folder / 'tuned_detector', one),
        *('--init-from', folder / 'detector/epoch_4.pth'),
    )
    scratch = train(command, own, folder / 'scratch_detector', one)
    figures = [each['coco/bbox_mAP_50'] for each in (tuned, scratch)]
    print('box AP50, fine-tuned and from scratch:', *figures)
    assert figures[0] > figures[1] + 0.3, (tuned, scratch)


@pytest.mark.soak
def test_a_segmenter_learns_sooner(command: Command, folder: Path) -> None:
    """To three of its classes and a new one."""
    old, own = configs(folder, SEGMENTER, 400, 160)

    def steps(count: int) -> dict[str, Any]:
        return {
            'train_cfg.max_iters': count,
            'train_cfg.val_interval': count,
            'default_hooks.checkpoint.interval': count,
            'param_scheduler.0.end': 5,
            'param_scheduler.1.begin': 5,
            'param_scheduler.1.end': count,
        }

    train(command, old, folder / 'segmenter', steps(100))
    tuned = train(
        *(command, own, folder / 'tuned_segmenter', steps(20)),
        *('--init-from', folder / 'segmenter/iter_100.pth'),
    )
    scratch = train(command, own, folder / 'scratch_segmenter', steps(20))
    assert tuned['mIoU'] > scratch['mIoU'] + 10, (tuned, scratch)


def own_coco(shared: Path, folder: Path, names: Mapping[str, str]) -> None:
    """Annotations of coco_tiny for some classes, under own names."""
    for split in ('train2017', 'val2017'):
        root = shared / 'data/coco_tiny'
        content = json.loads(
            (root / f'annotations/instances_{split}.json').read_text()
        )
        content['categories'] = [
            {**each, 'name': names[each['name']]}
            for each in content['categories']
            if each['name'] in names
        ]
        numbers = {each['id'] for each in content['categories']}
        content['annotations'] = [
            each
            for each in content['annotations']
            if each['category_id'] in numbers
        ]
        seen = {each['image_id'] for each in content['annotations']}
        content['images'] = [i for i in content['images'] if i['id'] in seen]
        (folder / f'{split}.json').write_text(json.dumps(content))


@pytest.mark.slow
def test_coco_to_three_of_its_classes(
    shared: Path, command: Command, tmp_path: Path
) -> None:
    names = {'person': 'Person', 'chair': 'chair', 'dining table': 'my-desk'}
    own_coco(shared, tmp_path, names)
    cfg = Config.fromfile(RETINANET)
    init_default_scope('mmdet')
    cfg.model.backbone.init_cfg = None
    from mmdet.datasets import CocoDataset

    meta = {'dataset_meta': CocoDataset.METAINFO}
    model = MODELS.build(cfg.model)
    model.init_weights()
    coco = tmp_path / 'coco.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, coco)

    root = shared / 'data/coco_tiny'
    options = [
        'model.backbone.init_cfg=None',
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.pipeline.2.scale=(160,128)',
        'val_dataloader.dataset.pipeline.1.scale=(160,128)',
        f'val_evaluator.ann_file={tmp_path}/val2017.json',
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
        'model.test_cfg.score_thr=0.0',
        'model.test_cfg.max_per_img=20',
    ]
    for split, file in (('train', 'train2017'), ('val', 'val2017')):
        place = f'{split}_dataloader'
        options += [
            f'{place}.num_workers=0',
            f'{place}.persistent_workers=False',
            f'{place}.dataset.data_root={root}',
            f'{place}.dataset.ann_file={tmp_path}/{file}.json',
            f'{place}.dataset.metainfo.classes={list(names.values())}',
            f'{place}.dataset.indices=4',
        ]
    log = command(
        *(TRAIN, RETINANET, '--init-from', coco, '--fit-classes'),
        *('--work-dir', tmp_path / 'work', '--cfg-options', *options),
    )
    assert '2 of 80 classes kept, 1 new (my-desk)' in log
    assert 'coco/bbox_mAP' in log
    (log_file,) = (tmp_path / 'work').glob('*/*.log')
    lines = log_file.read_text()
    assert (
        'bbox_head.retina_cls.weight (720, 256, 3, 3) to (27, 256, 3, 3): '
        'rows kept of Person, chair; as initialised: my-desk' in lines
    )
    assert 'bbox_head.retina_reg.weight: exact' in lines
    saved = torch.load(tmp_path / 'work/epoch_1.pth', weights_only=False)
    told = saved['meta']['dataset_meta']['classes']
    assert list(told) == list(names.values())


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['--init-from', 'absent.pth'], "no checkpoint at 'absent.pth'"),
        (
            ['--init-from', 'a.pth', '--resume', 'b.pth'],
            "--init-from 'a.pth' begins a training and --resume 'b.pth' goes "
            'on with one; choose one',
        ),
        (
            ['--classes-of-checkpoint', 'names.txt'],
            '--classes-of-checkpoint: there is no checkpoint to begin from; '
            'name one with --init-from',
        ),
    ],
)
def test_one_line(
    tool: Callable, tmp_path: Path, args: list[str], said: str
) -> None:
    work_dir = tmp_path / 'work'
    ended = tool('train.py', DETECTOR, *args, '--work-dir', work_dir)
    assert (ended.code, ended.err) == (2, f'error: {said}\n')
    assert not work_dir.exists()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```$', page, re.M | re.S)


@pytest.mark.slow
def test_commands_of_the_page(command: Command, folder: Path) -> None:
    """The config and the commands of the page, cut short."""
    home = folder / 'page'
    home.mkdir()
    few = folder / 'few'
    shapes.ensure_shapes(few, {'train2017': 16, 'val2017': 2})
    names = {'star': 'Star', 'triangle': 'roof', 'circle': 'circle'}
    write_own(home / 'data/mine', few, names)
    text = PAGE.read_text()
    (config,) = blocks(text, 'python')
    base = re.search(r"_base_ = '(.+)'", config)
    assert base is not None
    assert (ROOT / 'configs' / base[1].removeprefix('vitdense::')).is_file()
    (home / 'mine.py').write_text(config)
    model = Config.fromfile(DETECTOR).model
    init_default_scope('mmdet')
    state = MODELS.build(model).state_dict()
    meta = {'dataset_meta': {'classes': shapes.CLASSES}}
    torch.save({'state_dict': state, 'meta': meta}, home / 'shapes.pth')
    lines = ''.join(blocks(text, 'sh')).replace('\\\n', ' ').splitlines()
    commands = [line.split() for line in lines if line.startswith('python')]
    assert [each[1] for each in commands] == [
        'tools/train.py',
        'tools/train.py',
        'tools/test.py',
    ]
    here = {'mine.py', 'shapes.pth', 'names.txt', 'work_dirs/mine/epoch_4.pth'}
    (home / 'names.txt').write_text('\n'.join(shapes.CLASSES))
    for _, script, *args in commands:
        given = [str(home / a) if a in here else a for a in args]
        options = [
            f'{split}_dataloader.dataset.data_root={home}/data/mine/'
            for split in ('train', 'val', 'test')
        ]
        options += [
            f'{split}_evaluator.ann_file={home}/data/mine/val2017.json'
            for split in ('val', 'test')
        ]
        work_dir = home / 'work_dirs/mine'
        command(
            *(ROOT / script, *given, '--work-dir', work_dir),
            *('--cfg-options', *options),
        )
