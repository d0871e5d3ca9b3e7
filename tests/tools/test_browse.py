"""What a model is given: as pictures, on a page, and what is refused."""

import base64
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chromium import assert_asks_nothing, browser, screen
from mmengine.config import Config
from mmengine.registry import init_default_scope
from small_runs import DETECTOR, SEGMENTER, small_shapes, where

from vitdense.predict.results import Detections, LabelMap
from vitdense.visualize.batches import NO_CLASS, read_given
from vitdense.visualize.browse import Drawn, write_page

__all__ = ['browser', 'small_shapes']  # fixtures
ROOT = Path(__file__).resolve().parents[2]


def loaded(config: Path, data: Path) -> Config:
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(where(data, config))
    init_default_scope(cfg.default_scope)
    return cfg


def test_normalisation_is_undone(small_shapes: Path) -> None:
    """Without augmentation, what is shown is the file, channels in order."""
    for config in (DETECTOR, SEGMENTER):
        for each in read_given(loaded(config, small_shapes), 'val', 4, 0):
            file = cv2.imread(each.path)
            assert each.pixels.shape == file.shape
            np.testing.assert_array_equal(each.pixels, file)


def test_labels_lie_over_the_picture(small_shapes: Path) -> None:
    """Boxes are those of the masks, also where the picture is resized before
    labels are read."""
    cfg = loaded(DETECTOR, small_shapes)
    steps = cfg.val_dataloader.dataset.pipeline
    kinds = [step.type for step in steps]
    resize = {'type': 'Resize', 'scale': (256, 256), 'keep_ratio': True}
    steps = [step for step in steps if 'Resize' not in step.type]
    steps = [steps[0], resize, *steps[1:]]
    cfg.val_dataloader.dataset.pipeline = steps
    assert any('LoadAnnotations' in kind for kind in kinds)
    for split in ('train', 'val'):
        for each in read_given(cfg, split, 4, 0):
            found = each.labels
            assert isinstance(found, Detections)
            assert np.isnan(found.scores).all()
            assert len(found)
            if split == 'val':
                assert each.pixels.shape == (256, 256, 3)
                assert found.boxes.max() > 128
            assert found.masks is not None
            for mask, box in zip(found.masks, found.boxes, strict=True):
                rows, columns = mask.nonzero()
                tight = (
                    *(columns.min(), rows.min()),
                    *(columns.max() + 1, rows.max() + 1),
                )
                # a mask is resized by whole pixels
                np.testing.assert_allclose(box, tight, atol=4)


def test_padding_is_of_no_class(small_shapes: Path) -> None:
    cfg = Config.fromfile(SEGMENTER)
    cfg.merge_from_dict(where(small_shapes, SEGMENTER))
    cfg.model.data_preprocessor.size = (160, 144)
    init_default_scope(cfg.default_scope)
    (each,) = read_given(cfg, 'train', 1, 0)
    found = each.labels
    assert isinstance(found, LabelMap)
    assert found.labels.shape == each.pixels.shape[:2] == (160, 144)
    assert found.classes[-1] == NO_CLASS
    none = found.labels == len(found.classes) - 1
    assert none[128:].all()
    assert none[:, 128:].all()
    assert not none[:128, :128].any()


def test_seeds(small_shapes: Path) -> None:
    """A seed makes the same; more pictures begin with the same ones."""
    cfg = loaded(SEGMENTER, small_shapes)

    def shown(count: int, seed: int) -> list[bytes]:
        found = read_given(cfg, 'train', count, seed)
        return [each.pixels.tobytes() for each in found]

    four = shown(9, 0)
    assert len(four) == 4
    assert shown(2, 0) == four[:2]
    assert shown(4, 1) != four


def test_commands_of_the_page(
    tool: Callable,
    small_shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / 'docs/looking.md').read_text()
    (line,) = re.findall(r'^python tools/browse.py .*$', page, re.MULTILINE)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/shapes').symlink_to(small_shapes)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(tmp_path)
    args = shlex.split(line)[2:]
    ended = tool('browse.py', *args)
    assert (ended.code, ended.err) == (0, '')
    files = sorted(Path('browsed/pictures').iterdir())
    listed = json.loads(Path('browsed/pictures.json').read_text())
    assert [each['name'] for each in listed] == [f.name for f in files]
    assert len(files) == 4
    inside = re.findall(r'base64,([^"]+)"', Path('browsed.html').read_text())
    assert [base64.b64decode(i) for i in inside] == [
        f.read_bytes() for f in files
    ]
    # nothing is replaced unasked
    again = tool('browse.py', *args)
    assert again.code == 2
    assert again.err.count('\n') == 1
    assert '--overwrite replaces them' in again.err
    assert tool('browse.py', *args, '--overwrite').code == 0
    Path('browsed/mine.txt').write_text('mine')
    other = tool('browse.py', *args, '--overwrite')
    assert other.code == 2
    assert 'holds what is none of these pictures' in other.err


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['none.py'], "no config at 'none.py'"),
        ([DETECTOR, '--count', '0'], '--count=0 is not positive'),
        ([DETECTOR, '--seed', '-1'], '--seed=-1 is negative'),
        ([DETECTOR, '--split', 'x'], "'x'"),
        ([DETECTOR, '--page', 'no/a.html'], "no folder 'no'"),
        (
            [
                DETECTOR,
                '--cfg-options',
                'train_dataloader.dataset.type=CocoDataset',
                'train_dataloader.dataset.data_root=nowhere',
            ],
            'nowhere',
        ),
    ],
)
def test_bad_input_is_one_line(
    tool: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[object],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = tool('browse.py', *args)
    assert ended.code == 2
    assert ended.err.count('\n') == 1, ended.err
    assert words in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_page_in_chromium(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    evil = '<script>alert(1)</script>" onload="alert(2)@@ABOUT@@'
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    content = cv2.imencode('.jpg', noise)[1].tobytes()
    drawn = [
        Drawn(f'{n}.jpg', f'{evil}{"x" * 200}', 60, 90, evil, content)
        for n in range(3)
    ]
    path = tmp_path / 'a page.html'
    write_page(path, drawn, {'config': evil})
    grounds = set()
    for width, scheme in ((1280, 'light'), (390, 'dark')):
        screen(browser, width, scheme=scheme)
        browser.get(path.as_uri())
        wide = 'return document.documentElement.scrollWidth'
        assert browser.execute_script(wide) <= width
        grounds.add(
            browser.execute_script(
                'return getComputedStyle(document.body).backgroundColor'
            )
        )
    assert len(grounds) == 2
    assert browser.find_element('css selector', 'dd').text == evil
    images = browser.find_elements('css selector', 'img')
    assert [i.get_attribute('naturalWidth') for i in images] == ['90'] * 3
    assert images[0].get_attribute('alt') == evil
    # by keys alone: open the first, go on, close
    browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    target = 'return document.querySelector(":target")?.id'
    assert browser.execute_script(target) == 'picture-1'
    nav = browser.find_element('css selector', 'figure:target nav')
    assert nav.is_displayed()
    nav.find_element('class name', 'after').send_keys(Keys.ENTER)
    assert browser.execute_script(target) == 'picture-2'
    shown = browser.find_element('css selector', 'figure:target img')
    assert 300 < shown.size['width'] <= 390
    close = browser.find_element('css selector', ':target .close')
    close.send_keys(Keys.ENTER)
    assert browser.execute_script(target) == 'small-2'
    assert_asks_nothing(browser)
