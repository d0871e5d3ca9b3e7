"""Figures of label maps, for images that count several times."""

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from vitdense.benchmark.accuracy.segmentation import count_pixels

CLASSES = ('wall', 'sky', 'tree', 'never')


@pytest.fixture
def maps() -> list[tuple[str, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    maps = []
    for name in 'abc':
        true = rng.integers(0, 3, (5, 7))
        said = np.where(rng.random((5, 7)) < 0.6, true, 1)
        true[0, :3] = 255
        maps.append((name, true, said))
    return maps


def test_equal_to_mmseg(maps: list) -> None:
    figures = count_pixels(CLASSES, maps)
    metric = IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = {'classes': CLASSES}
    metric.results = [
        metric.intersect_and_union(
            torch.from_numpy(said), torch.from_numpy(true), len(CLASSES), 255
        )
        for _, true, said in maps
    ]
    expected = metric.compute_metrics(metric.results)
    values = dict(zip(figures.names, figures.values(), strict=True))
    for name in ('mIoU', 'mAcc', 'aAcc'):
        assert values[name] == pytest.approx(expected[name] / 100, abs=5e-5)
    areas = [sum(each) for each in zip(*metric.results, strict=True)]
    of_classes = metric.total_area_to_metrics(*areas, metrics=['mIoU'])
    for figure in ('IoU', 'Acc'):
        np.testing.assert_allclose(
            [values[f'{figure}: {name}'] for name in CLASSES],
            of_classes[figure],
            rtol=1e-6,
        )
        assert np.isnan(values[f'{figure}: never'])


def test_a_weight_is_so_many_images(maps: list) -> None:
    figures = count_pixels(CLASSES, maps)
    (drawn,) = figures.resampled(np.array([[2, 0, 1]]))
    a, _, c = maps
    repeated = count_pixels(CLASSES, [a, a, c])
    np.testing.assert_allclose(drawn, repeated.values(), rtol=1e-14)


def test_influences_are_derivatives(maps: list) -> None:
    figures = count_pixels(CLASSES, maps)
    many = 10**5
    weights = many + np.vstack([np.zeros((1, 3)), np.eye(3)]).astype(int)
    before, *after = figures.resampled(weights)
    np.testing.assert_allclose(
        figures.influences(), (np.array(after) - before) * many, atol=1e-5
    )


def test_what_does_not_fit_is_refused(maps: list) -> None:
    name, true, said = maps[0]
    with pytest.raises(ValueError, match='a: the prediction is 4 x 7 pixels'):
        count_pixels(CLASSES, [(name, true, said[:4])])
    with pytest.raises(ValueError, match='prediction has a label 9; there ar'):
        count_pixels(CLASSES, [(name, true, np.full_like(said, 9))])
