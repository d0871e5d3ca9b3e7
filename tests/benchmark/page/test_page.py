"""What is written into the page and beside it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitdense.benchmark.accuracy.errors import BKG, HIT
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.page import plotly
from vitdense.benchmark.page import write as writing
from vitdense.benchmark.page.drawing import Overlay
from vitdense.benchmark.page.judged import Detector, disagreement, read_truth

EVIL = '<script>alert(1)</script>'


def data_of(page: Path) -> Any:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>',
        page.read_text(),
        re.DOTALL,
    )
    return json.loads(found[1])


def test_page_holds_all_and_no_name_is_read_as_html(
    write: Callable, tmp_path: Path
) -> None:
    page = tmp_path / 'a b.html'
    write(page)
    text = page.read_text()
    assert EVIL not in text
    assert text.count('</script') == 3
    assert len(text) < 2_000_000
    data = data_of(page)
    assert data['about'] == [['command', EVIL]]
    assert f'box AP: {EVIL}' in data['figures']
    assert data['models'][0]['cost'] == {
        'forward, ms': pytest.approx(100),
        'peak memory, GiB': 1,
        'parameters, M': 1,
        'GFLOP': pytest.approx(2),
    }
    assert ['SHA-256', '0' * 64] in data['models'][0]['facts']
    assert data['differences'][0]['config'][-2:] == ['-b = 0', '+b = 1']
    # one of 1,001: not rounded to more than the least that there is
    assert 0.000999001 in data['differences'][1]['p']
    assert len(data['curves']['box']['mean'][0][0]) == 101
    assert data['curves']['box']['classes'][0] in ('cat', 'dog', EVIL)
    (photo, *_) = [
        each['photo'] for each in data['gallery']['images'].values()
    ]
    assert photo.startswith('a%20b_pictures/')
    folder = tmp_path / 'a b_pictures'
    assert {p.suffix for p in folder.iterdir()} == {'.jpg', '.svg'}
    assert not any('<script' in p.read_text() for p in folder.glob('*.svg'))


def test_pictures_may_be_in_the_page(write: Callable, tmp_path: Path) -> None:
    page = tmp_path / 'page.html'
    write(page, inline_pictures=True)
    assert [each.name for each in tmp_path.iterdir()] == ['page.html']
    (image, *_) = data_of(page)['gallery']['images'].values()
    assert image['photo'].startswith('data:image/jpeg;base64,')


def test_images_on_which_two_disagree_come_first(
    write: Callable, tmp_path: Path
) -> None:
    """One model finds nothing in the first image, the other all."""
    page = tmp_path / 'page.html'
    write(page)
    gallery = data_of(page)['gallery']
    assert gallery['pairs'][0] == [
        [0, ['2 of 2 found, 0 false', '0 of 2 found, 0 false']]
    ]
    assert gallery['images']['0']['name'] == 'a&<b>.jpg'


def test_detections_count_from_the_best_f1_on(
    runs: dict[str, list[ModelRun]], tmp_path: Path
) -> None:
    (run,) = runs['half']
    truth = read_truth(run)
    detector = Detector(truth, run, 'bbox')
    content = json.loads(run.predictions.read_text())
    # what is not there has the score of the best detection
    assert detector.threshold == min(each['score'] for each in content)
    judged = detector.judge(content[-1]['image_id'])
    assert sorted(judged.errors.tolist()) == sorted([HIT, BKG])
    assert judged.found.sum() == 1
    everything = Detector(truth, runs['all'][0], 'bbox').judge(1)
    assert disagreement(judged, everything) == 2


def test_label_maps(write_label_maps: Callable, tmp_path: Path) -> None:
    page = tmp_path / 'page.html'
    write_label_maps(page)
    data = data_of(page)
    assert not data['gallery']['photos']
    numbers = [image for image, _ in data['gallery']['pairs'][0]]
    assert set(numbers) == {1, 2}
    entry = data['gallery']['images']['2']
    assert [len(entry['models'][k]) for k in '01'] == [2, 2]
    # what only the second says to be there has its colour too
    assert [[name, by] for name, _, by in entry['legend']] == [
        *(['cat', None], [EVIL, None], ['dog', [1]])
    ]
    assert (tmp_path / 'page_pictures/2_1_wrong.png').is_file()


def test_too_large_a_page_is_refused(
    write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, 'MOST_BYTES', 1_000_000)
    with pytest.raises(ValueError, match=r'would have 1.\d MB without pict'):
        write(tmp_path / 'page.html')
    assert not (tmp_path / 'page.html').exists()


def test_a_picture_that_is_not_there(write: Callable, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='cannot be read as a picture'):
        write(tmp_path / 'page.html', images=tmp_path)


def test_another_bundle_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plotly.read_plotly().startswith('/**\n* plotly.js (basic')
    (tmp_path / 'other.tgz').write_bytes(b'other')
    monkeypatch.setattr(plotly, 'ARCHIVE', tmp_path / 'other.tgz')
    with pytest.raises(ValueError, match='has the SHA-256 d9298a10d1b0735837'):
        plotly.read_plotly()


def test_labels_are_text() -> None:
    overlay = Overlay(90, 90)
    overlay.add([1, 1, 60, 60], None, EVIL, '#fff', '')
    overlay.add([1, 1, 60, 60], np.ones((90, 90), np.uint8), 'b', '#fff', '')
    text = overlay.encode().decode()
    assert '&lt;script&gt;' in text
    assert '<script' not in text
    assert '<path d="M0 0' in text
