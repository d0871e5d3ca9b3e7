"""A family in a package of a user's own, as docs/adding-a-backbone.md has it.

The files of that page are written to a folder and used by the tools, with no
change to vitdense.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from contract import BackboneContract
from interpreter import ROOT
from mmengine.registry import MODELS
from torch import Tensor

from vitdense.backbones.pyramid import PyramidBackbone

PAGE = ROOT / 'docs' / 'adding-a-backbone.md'
BACKBONE = 'plainpyramid.PlainPyramid'


def files_of_the_page() -> dict[str, str]:
    """Names and contents of the files that the page shows."""
    blocks = re.findall(
        r'^`([\w./]+)`:\n\n```python\n(.*?)^```$',
        PAGE.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return dict(blocks)


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder with the page's files in it, on Python's path."""
    root = tmp_path_factory.mktemp('project')
    for name, content in files_of_the_page().items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.setenv('PYTHONPATH', str(root))
        yield root
        for name in [n for n in sys.modules if n.startswith('plainpyramid')]:
            del sys.modules[name]


@pytest.fixture(scope='module')
def backbone(project: Path) -> PyramidBackbone:
    torch.manual_seed(0)
    return MODELS.build(dict(type=BACKBONE, arch='tiny')).eval()


@pytest.mark.usefixtures('project')
class TestContract(BackboneContract):
    registered = BACKBONE
    arch = dict(  # noqa: RUF012
        dims=(8, 16, 16, 24), depths=(1, 1, 1, 1), heads=(1, 2, 2, 3)
    )
    strides = (4, 8, 16, 32)
    kernels = ((4, 4, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0))


def test_the_page_shows_this_contract() -> None:
    shown = re.search(r'class TestPlainPyramid.*?```', PAGE.read_text(), re.S)
    assert shown is not None
    values: dict[str, Any] = {'BackboneContract': object}
    exec(shown[0].removesuffix('```'), values)
    ours = TestContract
    for name in ('registered', 'arch', 'strides', 'kernels'):
        assert getattr(values['TestPlainPyramid'], name) == getattr(ours, name)


def authors_tensors(backbone: PyramidBackbone) -> dict[str, Tensor]:
    """The weights under the names that the page's layout says."""
    official = {'head.weight': torch.zeros(9, 96), 'head.bias': torch.zeros(9)}
    own = backbone.state_dict()
    for name, tensor in own.items():
        _, stage, rest = name.split('.', 2)
        number = int(stage) + 1
        kind, _, end = rest.partition('.')
        if kind == 'patch_embed':
            official[f'embed{number}.{end}'] = tensor
        elif kind == 'norm':
            official[f'norm{number}.{end}'] = tensor
        elif '.attn.qkv.kv.' in name:
            continue
        elif '.attn.qkv.q.' in name:
            keys = own[name.replace('.q.', '.kv.')]
            fused = f'block{number}.{end.replace(".q.", ".")}'
            official[fused] = torch.cat([tensor, keys])
        else:
            official[f'block{number}.{end}'] = tensor
    return official


@pytest.fixture(scope='module')
def authors_file(project: Path, backbone: PyramidBackbone) -> Path:
    path = project / 'authors.pth'
    torch.save(authors_tensors(backbone), path)
    return path


def load(source: Path) -> PyramidBackbone:
    init = dict(type='Pretrained', checkpoint=str(source))
    model = MODELS.build(dict(type=BACKBONE, arch='tiny', init_cfg=init))
    model.init_weights()
    return model


def assert_equal(one: PyramidBackbone, other: PyramidBackbone) -> None:
    wanted = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


def test_loads_the_authors_file(
    authors_file: Path, backbone: PyramidBackbone
) -> None:
    assert_equal(load(authors_file), backbone)


def test_a_damaged_file_is_refused_by_name(
    authors_file: Path, tmp_path: Path
) -> None:
    tensors = torch.load(authors_file)
    del tensors['block3.1.attn.qkv.weight']
    damaged = tmp_path / 'damaged.pth'
    torch.save(tensors, damaged)
    with pytest.raises(ValueError, match=r'block3\.1\.attn\.qkv\.weight'):
        load(damaged)


@pytest.mark.usefixtures('project')
def test_official_says_why_there_is_none() -> None:
    with pytest.raises(ValueError, match='not published weights yet'):
        load(Path('official'))


def test_a_file_of_another_family_is_named(
    backbone: PyramidBackbone, authors_file: Path, tmp_path: Path
) -> None:
    import vitdense

    pvt = tmp_path / 'pvt.pth'
    with torch.device('cpu'):
        torch.save(vitdense.PVT('v2-b0').state_dict(), pvt)
    with pytest.raises(ValueError, match=r'another family.*vitdense PVTv2'):
        load(pvt)
    with pytest.raises(ValueError, match=r'another family.*plain pyramid'):
        vitdense.PVT(
            'v2-b0',
            init_cfg=dict(type='Pretrained', checkpoint=str(authors_file)),
        ).init_weights()


def test_converts(
    tool: Callable[..., Any], authors_file: Path, backbone: PyramidBackbone
) -> None:
    there = authors_file.with_suffix('.safetensors')
    back = authors_file.with_name('back.pth')
    options = ('--backbone', BACKBONE)
    for source, target, to in (
        (authors_file, there, 'vitdense'),
        (there, back, 'official'),
    ):
        done = tool(
            'convert_checkpoint.py', source, target, '--to', to, *options
        )
        assert done.code == 0, done.err
    assert_equal(load(there), backbone)
    official, again = torch.load(authors_file), torch.load(back)
    assert official.keys() == again.keys()
    assert all(torch.equal(official[name], again[name]) for name in official)


def test_measures_and_checks(
    tool: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'cost.json'
    done = tool(
        'benchmark.py',
        *('speed', f'{BACKBONE}:tiny', '--check', '--size', '64'),
        *('--repeats', '1', '--json', out),
    )
    assert done.code == 0, done.out + done.err
    (row,) = json.loads(out.read_text())['rows']
    assert row['deviation'] < 1e-5
    assert row['macs'] > 1e6


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A data set of two squares in COCO's format."""
    folder = tmp_path / 'squares'
    folder.mkdir()
    images, boxes = [], []
    for number in (1, 2):
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[16:48, 16:48] = 255
        cv2.imwrite(str(folder / f'{number}.png'), picture)
        named = {'id': number, 'file_name': f'{number}.png'}
        images.append({**named, 'width': 64, 'height': 64})
        corners = [16, 16, 48, 16, 48, 48, 16, 48]
        boxes.append(
            {
                'id': number,
                'image_id': number,
                'category_id': 1,
                'bbox': [16, 16, 32, 32],
                'area': 1024,
                'iscrowd': 0,
                'segmentation': [corners],
            }
        )
    classes = ('circle', 'square', 'triangle', 'star')
    content = {
        'images': images,
        'annotations': boxes,
        'categories': [{'id': i, 'name': n} for i, n in enumerate(classes)],
    }
    (tmp_path / 'squares.json').write_text(json.dumps(content))
    return tmp_path


def test_trains(
    tool: Callable[..., Any],
    project: Path,
    shapes: Path,
    authors_file: Path,
    backbone: PyramidBackbone,
) -> None:
    data = []
    for split in ('train', 'val', 'test'):
        place = f'{split}_dataloader'
        data += [
            f'{place}.batch_size=2',
            f'{place}.num_workers=0',
            f'{place}.persistent_workers=False',
            f'{place}.dataset.type=CocoDataset',
            f'{place}.dataset.metainfo.classes=[circle,square,triangle,star]',
            f'{place}.dataset.data_root={shapes}',
            f'{place}.dataset.ann_file=squares.json',
            f'{place}.dataset.data_prefix.img=squares',
        ]
    for split in ('val', 'test'):
        data.append(f'{split}_evaluator.ann_file={shapes / "squares.json"}')
    init = 'model.backbone.init_cfg'
    work_dir = shapes / 'work'
    done = tool(
        'train.py',
        project / 'plain.py',
        *('--work-dir', work_dir, '--cfg-options', *data),
        f'{init}.type=Pretrained',
        f'{init}.checkpoint={authors_file}',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'param_scheduler.0.end=1',
        'param_scheduler.1.end=1',
        'param_scheduler.1.T_max=1',
    )
    assert done.code == 0, done.err
    saved = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    trained = saved['state_dict']['backbone.stages.0.patch_embed.proj.weight']
    before = backbone.stages[0].patch_embed.proj.weight
    change = (trained - before).abs().max()
    # it began from the authors' weights and has learned
    assert 0 < change < 0.1
