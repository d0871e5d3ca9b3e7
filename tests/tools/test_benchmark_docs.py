"""Commands of docs/benchmarking.md, read from there and run on small data."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from interpreter import ROOT
from mmengine.config import Config
from processes import environment
from pycocotools.coco import COCO
from small_runs import DETECTOR, SEGMENTER, left_by_training

from vitdense.benchmark.sweep import training
from vitdense.datasets import shapes

PAGE = (ROOT / 'docs/benchmarking.md').read_text()
FEW = ('--resamples', '100')
# what stands in for tools/train.py: it says what it was asked for
NOTHING_TRAINED = """
import json, sys
open('asked.json', 'w').write(json.dumps(sys.argv[1:]))
sys.exit(3)
"""


def commands(heading: str) -> list[list[str]]:
    """Those of a section, without ``python tools/``."""
    (section,) = re.findall(
        rf'^## {heading}\n(.*?)(?=^## |\Z)', PAGE, re.DOTALL | re.MULTILINE
    )
    text = '\n'.join(re.findall(r'```sh\n(.*?)```', section, re.DOTALL))
    lines = text.replace('\\\n', ' ').splitlines()
    return [shlex.split(line.removeprefix('python tools/')) for line in lines]


def inline(begin: str) -> str:
    """A command that stands in the text, by how it begins."""
    (found,) = re.findall(rf'`({re.escape(begin)}[^`]*)`', PAGE)
    return str(found)


def filled(command: str, work_dir: Path) -> list[str]:
    """Words of such a command, about a run."""
    files = {
        'CONFIG': str(work_dir / 'config.py'),
        'CHECKPOINT': str(work_dir / 'epoch_4.pth'),
    }
    words = command.removeprefix('tools/').split()
    return [files.get(each, each) for each in words]


def models(file: str) -> list[dict[str, Any]]:
    """What ``--json`` has written of them."""
    content: list[dict[str, Any]] = json.loads(Path(file).read_text())[
        'models'
    ]
    return content


def test_every_section_with_commands_is_here() -> None:
    headings = re.findall(r'^## (.+)$', PAGE, re.MULTILINE)
    assert {each: len(commands(each)) for each in headings} == {
        'Your own data': 2,
        'COCO on 8 GPUs': 1,
        'Several backbones under one recipe': 1,
        'Results of another framework': 2,
        'Segmentation': 1,
        'The page': 1,
        'Reading it': 1,
        'What was seen': 0,
        'The fast scorer': 0,
    }


@pytest.fixture
def results(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COCO's example results of 100 pictures, under the page's names."""
    monkeypatch.chdir(tmp_path)
    source = shared / 'data/coco_eval'
    for name in ('instances_val2014.json', 'instances_val2017.json'):
        shutil.copy(source / 'instances_val2014_100.json', name)
    for kind in ('bbox', 'segm'):
        name = f'instances_val2014_fake{kind}100_results.json'
        found = json.loads((source / name).read_text())
        fewer = [each for place, each in enumerate(found) if place % 10]
        for run in ('a', 'seed1', 'seed2', 'seed3'):
            Path(f'{run}.{kind}.json').write_text(json.dumps(found))
        Path(f'b.{kind}.json').write_text(json.dumps(fewer))


@pytest.mark.usefixtures('results')
def test_results_of_another_framework(tool: Callable) -> None:
    first, second = commands('Results of another framework')
    for name, *given in (first, second):
        ended = tool(name, *given, *FEW)
        assert (ended.code, ended.err) == (0, '')
    assert {'all.json', 'all.csv', 'table.md'} <= {
        each.name for each in Path().iterdir()
    }
    said = json.loads(Path('all.json').read_text())
    assert [len(each['runs']) for each in said['models']] == [3, 1]


def test_the_page(
    tool: Callable,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of real pictures, with all of their objects found, and not all."""
    monkeypatch.chdir(tmp_path)
    source = shared / 'data/coco_tiny'
    Path('val2017').symlink_to(source / 'val2017')
    shutil.copy(source / 'annotations/instances_val2017.json', '.')
    truth = COCO('instances_val2017.json')
    found = [
        {
            'image_id': each['image_id'],
            'category_id': each['category_id'],
            'segmentation': run_lengths(truth, each),
            'score': 0.9,
        }
        for each in truth.anns.values()
        if not each['iscrowd']
    ]
    Path('a.segm.json').write_text(json.dumps(found))
    Path('b.segm.json').write_text(json.dumps(found[::2]))
    ((name, *given),) = commands('The page')
    ended = tool(name, *given, *FEW)
    assert (ended.code, ended.err) == (0, '')
    (content,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>',
        Path('page.html').read_text(),
    )
    about = dict(json.loads(content)['about'])
    assert 'benchmark.py accuracy A=a.segm.json ' in about['command']
    assert about['truth'] == 'instances_val2017.json'
    assert about['machine'].endswith(' processors')
    assert {each.suffix for each in Path('page_pictures').iterdir()} == {
        *('.jpg', '.svg')
    }


def run_lengths(truth: COCO, entry: dict[str, Any]) -> dict[str, Any]:
    """An object's mask, as results have it."""
    mask = truth.annToRLE(entry)
    return {**mask, 'counts': mask['counts'].decode()}


@pytest.mark.usefixtures('results')
def test_reading_it(tool: Callable) -> None:
    """What the page shows and explains is what comes."""
    ((name, *given),) = commands('Reading it')
    ended = tool(name, *given)
    assert (ended.code, ended.err) == (0, '')
    said = [' '.join(line.split()) for line in ended.out.splitlines()]
    (shown,) = re.findall(r'```text\n(  figure.*?)```', PAGE, re.DOTALL)
    lines = [' '.join(line.split()) for line in shown.splitlines() if line]
    assert len(lines) == 4
    for line in lines:
        assert line in said


def test_segmentation(
    tool: Callable,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shared / 'data/ade20k_mini/annotations/validation'
    for folder in ('a', 'b', 'truth'):
        shutil.copytree(source, folder)
    ((name, *given),) = commands('Segmentation')
    ended = tool(name, *given, *FEW)
    assert (ended.code, ended.err) == (0, '')


@pytest.mark.slow
def test_your_own_data_and_several_processes(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First with two processes, then from what these have kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', environment()['PYTHONPATH'])
    shapes.ensure_shapes('shapes', {'train2017': 2, 'val2017': 4})
    for seed, name in enumerate(('ours', 'ours_seed1', 'theirs')):
        left_by_training(
            *(Path('work_dirs', name), DETECTOR, tmp_path / 'shapes'),
            {'model.test_cfg.rcnn.score_thr': 0.0},
            seed=seed,
        )
    ((name, *given),) = commands('COCO on 8 GPUs')
    # two processes without a GPU in the place of eight with one each
    two = ['2' if each == '8' else each for each in given]
    assert two != given
    ended = tool(name, *two, *FEW, '--json', 'two.json')
    assert (ended.code, ended.err) == (0, '')
    made = {p: p.stat().st_mtime_ns for p in Path().rglob('predictions/*.js*')}
    assert len(made) == 2

    first, second = commands('Your own data')
    for name, *given in ([*first, '--json', 'one.json'], second):
        ended = tool(name, *given, *FEW)
        assert (ended.code, ended.err) == (0, '')
    assert {path: path.stat().st_mtime_ns for path in made} == made
    ours, theirs = models('two.json')
    assert models('one.json') == [ours, theirs]
    of_seeds, checkpoint = models('all.json')
    assert of_seeds['runs'][0] == ours['values']
    assert checkpoint['values'] == theirs['values']

    # nor are they other figures than those of results that are written
    test = inline('tools/test.py CONFIG CHECKPOINT --cfg-options')
    assert tool(*filled(test, Path('work_dirs/ours'))).code == 0
    truth = 'shapes/coco/annotations/instances_val2017.json'
    given = ['--annotations', truth, '--json', 'test.json', *FEW]
    ended = tool('benchmark.py', 'accuracy', 'ours=a.segm.json', *given)
    assert (ended.code, ended.err) == (0, '')
    assert models('test.json')[0]['values'] == ours['values']


@pytest.mark.slow
def test_label_pngs_that_are_written(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shapes.ensure_shapes('shapes', {'train2017': 2, 'val2017': 4})
    run = left_by_training(Path('run'), SEGMENTER, tmp_path / 'shapes', {})
    test = inline('tools/test.py CONFIG CHECKPOINT --out')
    tested = tool(*filled(test, run))
    assert tested.code == 0
    truth = 'shapes/ade20k/annotations/validation'
    given = ['--annotations', truth, '--json', 'all.json', *FEW]
    ended = tool('benchmark.py', 'accuracy', 'A=FOLDER', *given)
    assert (ended.code, ended.err) == (0, '')


@pytest.mark.slow
def test_several_backbones(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is planned, and the first training begun, which fails here.

    Trainings to their end: tests/tools/test_sweep.py.
    """
    monkeypatch.chdir(tmp_path)
    stand_in = tmp_path / 'train.py'
    stand_in.write_text(NOTHING_TRAINED)
    monkeypatch.setattr(training, 'TRAIN', stand_in)
    ((name, *given),) = commands('Several backbones under one recipe')
    ended = tool(name, *given)
    assert ended.out == '[1/15] pvt-v2-b2, seed 0\n'
    assert ended.code == 2
    assert ended.err.endswith(
        'tools/train.py ended with 3; the same command goes on\n'
    )
    folder = Path('work_dirs/sweep_mask-rcnn_1x_coco')
    config = folder / 'configs/pvt-v2-b2_seed0.py'
    assert json.loads(Path('asked.json').read_text()) == [
        *(str(config), '--work-dir', str(folder / 'pvt-v2-b2_seed0')),
        '--resume',
    ]
    channels = {
        'pvt-v2-b2': [64, 128, 320, 512],
        'cvt-13': [64, 192, 384],
        't2t-14': [64, 64, 384, 384],
        'mmdet.ResNet-50': [256, 512, 1024, 2048],
        'mmdet.SwinTransformer': [96, 192, 384, 768],
    }
    written = {each.stem: each for each in folder.glob('configs/*.py')}
    assert sorted(written) == sorted(
        f'{backbone}_seed{seed}' for backbone in channels for seed in range(3)
    )
    for stem, path in written.items():
        model = Config.fromfile(path).model
        backbone, _, _ = stem.partition('_seed')
        assert model.neck.in_channels == channels[backbone]
