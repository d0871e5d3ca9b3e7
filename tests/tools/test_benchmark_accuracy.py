"""tools/benchmark.py accuracy, on real pictures' truth and made results."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = 'benchmark.py'
KERNELS = ('vitdense.benchmark.accuracy', 'vitdense.ops.compiled')


@pytest.fixture
def truth(shared: Path) -> Path:
    return shared / 'data/coco_eval/instances_val2014_100.json'


@pytest.fixture
def boxes(shared: Path) -> Path:
    name = 'instances_val2014_fakebbox100_results.json'
    return shared / 'data/coco_eval' / name


def worse(boxes: Path, folder: Path) -> Path:
    """Half of the detections."""
    path = folder / 'worse.json'
    path.write_text(json.dumps(json.loads(boxes.read_text())[::2]))
    return path


def test_detections(
    tool: Callable, truth: Path, boxes: Path, tmp_path: Path
) -> None:
    """Names of users are shown as they are; files have all figures."""
    other = worse(boxes, tmp_path)
    files = {kind: tmp_path / f'a.{kind}' for kind in ('json', 'csv', 'md')}
    ended = tool(
        *(TOOL, 'accuracy', f'[b]<x>|={boxes}', f'half={other},{other}'),
        *('--annotations', truth, '--resamples', 200),
        *('--json', files['json'], '--csv', files['csv']),
        *('--markdown', files['md']),
    )
    assert (ended.code, ended.err) == (0, '')
    # what COCO publishes for these results
    assert '50.5 [' in ended.out
    assert 'half less [b]<x>|' in ended.out
    assert '\u00b1 0.0' in ended.out
    said = json.loads(files['json'].read_text())
    assert 'accuracy' in said['command']
    assert said['figures'][0] == 'box AP'
    (difference,) = said['differences']
    assert difference['high'][0] < 0
    assert difference['p'][0] <= 2 / 201
    rows = list(csv.DictReader(files['csv'].open()))
    assert len(rows) == 3 * len(said['figures']) + 2 * 6
    cls = next(row for row in rows if row['figure'] == 'box dAP50 cls')
    assert float(cls['value']) == pytest.approx(0.22246, abs=1e-5)
    assert said['models'][0]['errors'][0]['counts'][:2] == [83, 1]
    assert 'box dAP50 cls    +22.2 (83)' in ended.out
    assert float(rows[0]['value']) == pytest.approx(0.505, abs=5e-4)
    assert rows[-1]['less'] == '[b]<x>|'
    markdown = files['md'].read_text()
    assert '| figure | \\[b]\\<x>\\| | half |' in markdown


def test_label_maps(tool: Callable, shared: Path, tmp_path: Path) -> None:
    """Real label maps, of which one model has a part wrong."""
    source = sorted((shared / 'data/ade20k_mini').glob('annotations/*/*.png'))
    folders = {name: tmp_path / name for name in ('truth', 'right', 'wrong')}
    for folder in folders.values():
        folder.mkdir()
    for path in source:
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for name, folder in folders.items():
            half = labels.shape[1] // 2 * (name == 'wrong')
            changed = np.hstack([0 * labels[:, :half], labels[:, half:]])
            cv2.imwrite(str(folder / path.name), changed)
    ended = tool(
        *(TOOL, 'accuracy', f'right={folders["right"]}'),
        *(f'wrong={folders["wrong"]}', '--annotations', folders['truth']),
    )
    assert (ended.code, ended.err) == (0, '')
    line = next(line for line in ended.out.splitlines() if 'aAcc' in line)
    assert '100.0 [100.0, 100.0]' in line


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (None, "B: '{folder}/b' has not p1.png, nor 1 more of '{folder}/a'"),
        (
            np.zeros((4, 7), np.uint8),
            'B: p1: the prediction is 4 x 7 pixels, the truth 4 x 6',
        ),
        (
            np.full((4, 6), 255, np.uint8),
            'B: p1: the prediction has a label 255; there are 255 classes',
        ),
        (
            np.zeros((4, 6, 3), np.uint8),
            "B: '{folder}/b/p1.png' is no label map of one channel",
        ),
    ],
)
def test_label_maps_that_do_not_fit(
    tool: Callable, tmp_path: Path, wrong: Any, message: str
) -> None:
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
    right = np.zeros((4, 6), np.uint8)
    for name in ('p1', 'p2'):
        cv2.imwrite(str(tmp_path / f'a/{name}.png'), right)
        if wrong is not None:
            cv2.imwrite(str(tmp_path / f'b/{name}.png'), wrong)
    ended = tool(
        *(TOOL, 'accuracy', f'A={tmp_path}/a', f'B={tmp_path}/b'),
        *('--annotations', tmp_path / 'a'),
    )
    assert (ended.code, ended.out) == (2, '')
    assert message.format(folder=tmp_path) in ended.err
    assert ended.err.count('\n') == 1


def change(path: Path, folder: Path, **fields: Any) -> Path:
    """Results whose first detection has other fields, or lacks them."""
    results = json.loads(path.read_text())
    results[0] |= fields
    for key in [key for key, value in fields.items() if value is None]:
        del results[0][key]
    changed = folder / 'changed.json'
    changed.write_text(json.dumps(results))
    return changed


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'image_id': 7}, "[0] has image_id=7, which '"),
        ({'category_id': 91}, "[0] has category_id=91, which '"),
        ({'image_id': [42]}, '[0] has image_id=[42], which'),
        ({'score': None}, "[0] has no 'score'"),
        ({'score': 'high'}, "[0] has score='high', which is no number"),
        ({'bbox': [1, 2, 3]}, '[0] has bbox=[1, 2, 3]; it needs four'),
        ({'segmentation': []}, '[0] has segmentation=[]; it needs run'),
        (
            {'segmentation': {'size': [1, 1], 'counts': 'x'}},
            '[0] has a malformed segmentation: run lengths of size [1, 1]',
        ),
        ({'bbox': None}, 'some of its detections have no bbox'),
    ],
)
def test_results_that_do_not_fit(
    tool: Callable,
    truth: Path,
    boxes: Path,
    tmp_path: Path,
    fields: dict[str, Any],
    message: str,
) -> None:
    changed = change(boxes, tmp_path, **fields)
    ended = tool(TOOL, 'accuracy', f'A={changed}', '--annotations', truth)
    assert (ended.code, ended.out) == (2, '')
    assert ended.err.startswith('error: A')
    assert message in ended.err
    assert ended.err.count('\n') == 1


@pytest.mark.parametrize(
    ('runs', 'options', 'message'),
    [
        (['{boxes}'], [], 'names no run; write a work folder'),
        (['A={boxes}', 'A={boxes}'], [], "the name 'A' is another run too"),
        (['A={folder}/no.json'], [], "A: there is no '"),
        (
            ['A={folder}/empty.json'],
            [],
            "A: '{folder}/empty.json' is empty, but '{truth}' has 100 images",
        ),
        (['A={folder}/text.json'], [], "text.json' is no JSON"),
        (['A={folder}'], [], 'is no truth of folders of label PNGs'),
        (['A={folder}', 'B={boxes}'], [], "['B'] results of detection"),
        (['A={boxes}', 'B={masks}'], [], 'A has bbox; B has segm'),
        (['A={boxes}'], ['--resamples', '9'], '--resamples 9: an interval'),
        (['A={boxes}'], ['--json', 'nowhere/a'], 'no folder nowhere'),
        (['A={boxes}'], ['--page', 'nowhere/a'], 'no folder nowhere'),
        (['A={boxes}'], ['--inline-pictures'], '--page, which is not given'),
        (
            ['A={boxes}'],
            ['--page', 'a.html', '--images', 'nowhere'],
            "--images: there is no 'nowhere'",
        ),
    ],
)
def test_bad_input(
    tool: Callable,
    truth: Path,
    boxes: Path,
    tmp_path: Path,
    runs: list[str],
    options: list[str],
    message: str,
) -> None:
    (tmp_path / 'empty.json').write_text('[]')
    (tmp_path / 'text.json').write_text('none')
    masks = str(boxes).replace('fakebbox', 'fakesegm')
    named = [
        each.format(boxes=boxes, masks=masks, folder=tmp_path) for each in runs
    ]
    ended = tool(TOOL, 'accuracy', *named, '--annotations', truth, *options)
    assert (ended.code, ended.out) == (2, '')
    assert message.format(folder=tmp_path, truth=truth) in ended.err
    assert ended.err.count('\n') == 1


def test_a_truth_has_to_be_known(tool: Callable, boxes: Path) -> None:
    ended = tool(TOOL, 'accuracy', f'A={boxes}')
    assert (ended.code, ended.out) == (2, '')
    assert ended.err == (
        "error: no run of ['A'] has a config that says the truth; add "
        '--annotations\n'
    )


def test_what_is_missing_is_an_extra(
    tool: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backbones are compared without it."""
    for name in [n for n in sys.modules if n.startswith(KERNELS)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'numba', None)
    ended = tool(TOOL, 'accuracy', 'A=a.json', '--annotations', 'b.json')
    assert (ended.code, ended.out) == (2, '')
    assert ended.err.startswith('error: accuracy: numba is not installed')
    ended = tool(TOOL, 'speed', 'vitdense.PVT:tiny', '--batch', '0')
    assert 'batch 0 is less than 1' in ended.err
    extras = (ROOT / 'setup.cfg').read_text()
    assert '\naccuracy = file: requirements/accuracy.txt\n' in extras
