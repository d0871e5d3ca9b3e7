"""Projects that begin from a trained model, or train some of the classes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from own_folders import ask, coco, yolo

from vitdense.datasets import shapes

FOUR = shapes.CLASSES
OLD = ('Star', 'dog', FOUR[0])


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shapes in COCO's layout."""
    folder = tmp_path_factory.mktemp('data')
    shapes.ensure_shapes(folder / 'made', {'train2017': 16, 'val2017': 4})
    return coco(folder / 'coco', folder / 'made')


def built(cfg: Config, classes: int) -> Any:
    """The model of a config, for so many classes."""
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    cfg.model.bbox_head.num_classes = classes
    return MODELS.build(cfg.model)


def trained(cfg: Config, path: Path, **meta: Any) -> Path:
    """A checkpoint of the config's model, of ``OLD`` classes."""
    weights = built(cfg, len(OLD)).state_dict()
    torch.save({'state_dict': weights, 'meta': meta}, path)
    return path


def made(tool: Callable, project: Path, *args: object) -> tuple[Config, str]:
    """The config of a project, and what was printed."""
    ended = tool('new_project.py', *args)
    assert ended.code == 0, ended.err
    return Config.fromfile(project / f'{project.name}.py'), ended.out


@pytest.mark.slow
def test_from_a_model_of_other_classes(
    tool: Callable, data: Path, tmp_path: Path
) -> None:
    head = ('--head', 'retinanet')
    plain, _ = made(
        tool,
        tmp_path / 'plain',
        *ask('coco', data, tmp_path / 'plain'),
        *head,
    )
    start = trained(plain, tmp_path / 'old.pth')
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(OLD) + '\n')
    project = tmp_path / 'mine'
    args = [*ask('coco', data, project), *head, '--from', start]

    # the file does not say what its three classes are
    refused = tool('new_project.py', *args)
    assert refused.code == 2
    assert '--classes-of-checkpoint' in refused.err
    assert refused.err.count('\n') == 1
    assert not project.exists()

    args += ['--classes-of-checkpoint', names]
    cfg, out = made(tool, project, *args)
    assert cfg.load_from == str(start)
    # half as long as without
    assert cfg.train_cfg.max_epochs == plain.train_cfg.max_epochs // 2
    assert tuple(cfg.train_dataloader.dataset.metainfo.classes) == FOUR
    assert cfg.model.bbox_head.num_classes == len(FOUR)
    # its own weights are enough: none are fetched for the backbone
    assert cfg.model.backbone.get('init_cfg') is None
    train = out.splitlines()[-2]
    assert train.endswith(f'--classes-of-checkpoint {names}')


@pytest.mark.slow
def test_from_a_model_of_another_head(
    tool: Callable, data: Path, tmp_path: Path
) -> None:
    plain, _ = made(
        tool,
        tmp_path / 'plain',
        *ask('coco', data, tmp_path / 'plain'),
        *('--head', 'retinanet'),
    )
    held = {'classes': list(OLD)}
    start = trained(plain, tmp_path / 'old.pth', dataset_meta=held)
    project = tmp_path / 'mine'
    given = ['--head', 'cascade-mask-rcnn', '--from', start]
    ended = tool('new_project.py', *ask('coco', data, project), *given)
    assert ended.code == 2
    assert str(start) in ended.err
    assert not project.exists()


@pytest.mark.parametrize(
    'layout', [pytest.param('coco', marks=pytest.mark.slow), 'yolo']
)
def test_some_of_the_classes(
    tool: Callable, data: Path, tmp_path: Path, layout: str
) -> None:
    """In the data's order, whatever that of the file."""
    folder = data
    if layout == 'yolo':
        folder = yolo(tmp_path / 'yolo', data.parent / 'made')
    names = tmp_path / 'names.txt'
    names.write_text(f'{FOUR[2]}\n\n {FOUR[0]} \n')
    project = tmp_path / 'mine'
    asked = [*ask(layout, folder, project), '--classes', names]
    cfg, _ = made(tool, project, *asked)
    for split in ('train', 'val', 'test'):
        told = cfg[f'{split}_dataloader'].dataset.metainfo
        assert tuple(told.classes) == (FOUR[0], FOUR[2])
    counts = set(re.findall(r'num_classes=(\d+)', cfg.pretty_text))
    assert counts == {'2'}


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (None, '--classes: no file '),
        (' \n', ' has no names'),
        (f'{FOUR[0]}\nStar\n', r"--classes: \['Star'\] are no classes of"),
    ],
)
def test_bad_names_are_one_line(
    tool: Callable,
    data: Path,
    tmp_path: Path,
    names: str | None,
    said: str,
) -> None:
    file = tmp_path / 'names.txt'
    if names is not None:
        file.write_text(names)
    project = tmp_path / 'mine'
    args = [*ask('coco', data, project), '--classes', file]
    ended = tool('new_project.py', *args)
    assert ended.code == 2
    assert re.fullmatch(f'error: .*{said}.*\n', ended.err), ended.err
    assert not project.exists()
