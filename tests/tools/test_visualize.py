"""tools/visualize.py: levels and attention of a picture, in one figure."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_runs import SEGMENTER, detector, left_by_training, small_shapes

import vitdense
from vitdense.visualize.levels import level_picture
from vitdense.visualize.look import draw_look

__all__ = ['detector', 'small_shapes']


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    drawn = np.zeros((60, 100, 3), np.uint8)
    cv2.circle(drawn, (70, 30), 20, (40, 200, 90), -1)
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), drawn)
    return path


def test_figure(
    tool: Callable, detector: Path, picture: Path, tmp_path: Path
) -> None:
    model = detector / 'config.py', detector / 'epoch_4.pth', picture
    out = tmp_path / 'looked.png'
    made = tool('visualize.py', *model, '--out', out, '--point', 70, 30)
    assert (made.code, made.err) == (0, '')
    assert made.out == f'figure: {out}\n'
    drawn = cv2.imread(str(out))
    assert min(drawn.shape[:2]) > 300
    refused: tuple[tuple[list[object], str], ...] = (
        ([], 'is there; --overwrite'),
        (['--overwrite', '--point', 100, 0], '--point 100 0 is outside of'),
        (['--overwrite', '--head', 1], '--head 1: a head, from 0 on,'),
        (
            ['--overwrite', '--point', 0, 0, '--head', 1],
            'head=1: stages.0.blocks.0.attn has 1,',
        ),
    )
    for more, message in refused:
        made = tool('visualize.py', *model, '--out', out, *more)
        assert made.code == 2
        assert message in made.err
        assert made.err.count('\n') == 1
    nothing = *model[:2], tmp_path / 'none.png'
    made = tool('visualize.py', *nothing, '--out', tmp_path / 'b.png')
    assert made.code == 2
    assert f'error: {nothing[2]}: ' in made.err
    assert made.err.count('\n') == 1


def test_panels(detector: Path, picture: Path) -> None:
    """Levels are those of the picture; the cross is where it was asked."""
    predict = vitdense.Predictor(
        detector / 'config.py', detector / 'epoch_4.pth', device='cpu'
    )
    figure = draw_look(predict, picture, (70, 30))
    titles = [panel.get_title() for panel in figure.axes]
    assert titles[0] == 'picture'
    assert [title.split(':')[0] for title in titles[1:5]] == [
        f'level {number}' for number in range(4)
    ]
    assert titles[5:] == [f'stages.{stage}.1' for stage in range(4)]
    for panel in (figure.axes[0], *figure.axes[5:]):
        (cross,) = panel.lines
        assert np.asarray(cross.get_xydata()).tolist() == [[70, 30]]
    given, (rows, cols) = predict.given(predict.read(picture))
    assert rows / cols == pytest.approx(60 / 100, abs=0.02)
    assert given.shape[2] >= rows
    assert len(draw_look(predict, picture).axes) == 5


def test_segmenter(tmp_path: Path, small_shapes: Path, picture: Path) -> None:
    run = left_by_training(tmp_path / 'run', SEGMENTER, small_shapes, {})
    predict = vitdense.Predictor(
        run / 'config.py', run / 'epoch_4.pth', device='cpu'
    )
    assert len(draw_look(predict, picture, (0, 0)).axes) == 9


def test_colours_follow_features() -> None:
    """Two kinds of cells have two colours, whatever the sign of axes."""
    torch.manual_seed(0)
    kinds = torch.randn(2, 16)
    which = torch.arange(48).view(6, 8) % 2
    level = kinds[which].permute(2, 0, 1)
    shown = level_picture(level)
    assert shown.shape == (6, 8, 3)
    assert shown.min() >= 0
    assert shown.max() <= 1
    one, other = shown[which == 0], shown[which == 1]
    np.testing.assert_allclose(one[..., 0], one[0, 0], atol=1e-4)
    np.testing.assert_allclose(other[..., 0], other[0, 0], atol=1e-4)
    assert abs(one[0, 0] - other[0, 0]) > 0.9
