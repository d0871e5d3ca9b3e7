"""Mistakes are named before anything is written, then a quiet screen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.runner import CheckpointLoader
from processes import held
from small_runs import DETECTOR, SEGMENTER, small_shapes, where

__all__ = ['small_shapes']

OUT_DIR = 'default_hooks.checkpoint.out_dir'

# What the README promises to name: an option, and what the line says.
MISTAKES = {
    'train_cfg.max_epoch=1': 'train_cfg.max_epochs',
    'train_cfg.max_epochs=0': 'train_cfg.max_epochs=0 is not',
    'optim_wrapper.optimzer.lr=1': 'optimizer.lr',  # codespell:ignore
    'optim_wrapper.optimizer.lr=-1': 'optim_wrapper: Invalid learning rate',
    'optim_wrapper.optimizer.type=Adan': "choose from ['Adam'",
    'train_dataloader.batch_size=0': 'train_dataloader.batch_size=0 is not',
    'train_dataloader.num_workers=-1': 'train_dataloader: num_workers',
    'train_dataloader.sampler.type=Sorted': 'train_dataloader: ',
    'model.neck.out_channels=63': 'train_dataloader: one batch through the',
    'model.test_cfg.rcnn.nms.type=none': 'val_dataloader: one batch through',
    'model.rpn_head.type=RPN': 'RPN',
    'default_hooks.checkpoint.intervall=1': 'interval',  # codespell:ignore
    'default_hooks.logger.type=Logger': 'Logger',
    'data_root=/elsewhere': 'train_dataloader.dataset.data_root',
    'param_scheduler.0.start_factor=7': 'param_scheduler: ',
    'val_evaluator.metric=boxes': 'val_evaluator: ',
    'train_dataloader.dataset.pipeline.2.prob=7': 'train_dataloader.dataset',
    'train_dataloader.dataset.pipeline.0.type=Load': 'train_dataloader',
    'train_dataloader.dataset.indices=0': 'train_dataloader: ',
}


def line_of(tool: Callable, data: Path, work_dir: Path, *options: str) -> str:
    """The one line that ends a training, which must write nothing."""
    outcome = tool(
        'train.py',
        *(DETECTOR, '--work-dir', work_dir, '--cfg-options'),
        *(f'{key}={value}' for key, value in where(data).items()),
        *options,
    )
    assert outcome.code == 2, outcome
    assert outcome.out == ''
    assert outcome.err.startswith('error: ')
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert not work_dir.exists()
    return str(outcome.err)


@pytest.mark.parametrize('option', MISTAKES)
def test_mistakes(
    tool: Callable, small_shapes: Path, tmp_path: Path, option: str
) -> None:
    line = line_of(tool, small_shapes, tmp_path / 'work', option)
    assert MISTAKES[option] in line


# Values that cannot be, drawn for several places at once.
WRONG = st.one_of(
    st.tuples(
        st.sampled_from(
            ['train_cfg.max_epochs', 'train_dataloader.batch_size']
        ),
        st.integers(-9, 0),
    ),
    st.tuples(
        st.sampled_from(
            [
                'optim_wrapper.optimizer.lr',
                'optim_wrapper.optimizer.eps',
                'optim_wrapper.optimizer.weight_decay',
            ]
        ),
        st.floats(-9, -1e-3),
    ),
    st.tuples(
        st.sampled_from(
            ['model.neck.out_channels', 'model.rpn_head.in_channels']
        ),
        st.integers(1, 40).map(lambda channels: 2 * channels + 1),
    ),
    st.tuples(
        st.sampled_from(
            [
                'model.backbone.type',
                'model.roi_head.type',
                'train_dataloader.dataset.type',
                'val_evaluator.type',
                'default_hooks.timer.type',
                'optim_wrapper.optimizer.type',
            ]
        ),
        st.text('abcdefghij', min_size=3, max_size=8),
    ),
)


def check_drawn(
    tool: Callable,
    small_shapes: Path,
    tmp_path_factory: pytest.TempPathFactory,
    wrong: tuple[str, object],
) -> None:
    work_dir = tmp_path_factory.mktemp('drawn') / 'work'
    line_of(tool, small_shapes, work_dir, '{}={}'.format(*wrong))


few = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
test_drawn_mistakes = few(given(wrong=WRONG)(check_drawn))
test_many_drawn_mistakes = pytest.mark.slow(
    settings(few, max_examples=50, derandomize=False)(
        given(wrong=WRONG)(check_drawn)
    )
)


def test_the_first_screen_of_segmentation(
    tool: Callable, small_shapes: Path, tmp_path: Path
) -> None:
    outcome = tool(
        'train.py',
        *(SEGMENTER, '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'{k}={v}' for k, v in where(small_shapes, SEGMENTER).items()),
        *('train_cfg.max_iters=1', 'default_hooks.logger.interval=1'),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.err == ''
    lines = outcome.out.splitlines()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert lines[:8] == [
        '  train      EncoderDecoder with vitdense.PVT v2-b0, '
        '3.9 M parameters',
        '  weights    none, from scratch',
        f'  train data 4 pictures of {small_shapes} by 2, 5 classes (ground, '
        'circle, square, triangle, star)',
        f'  val data   2 pictures of {small_shapes} by 2, 5 classes (ground, '
        'circle, square, triangle, star)',
        '  length     1 steps, on cpu',
        '  step       2 images, learning rate 0.001, meant for 8 images',
        f'  folder     {tmp_path / "work"}',
        f'  log        {log}',
    ]
    assert 'eta: ' in lines[8]
    # what was said while things were built is kept
    assert 'The prefix is not set' in log.read_text()


@pytest.mark.parametrize('shown', [False, True])
def test_the_first_screen(
    tool: Callable, small_shapes: Path, tmp_path: Path, shown: bool
) -> None:
    """What is trained on what, where it goes, then progress."""
    outcome = tool(
        'train.py',
        *(DETECTOR, '--work-dir', tmp_path / 'work'),
        *['--show-settings'] * shown,
        '--cfg-options',
        *(f'{key}={value}' for key, value in where(small_shapes).items()),
        *('train_cfg.max_epochs=1', 'default_hooks.logger.interval=1'),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.err == ''
    (log,) = (tmp_path / 'work').glob('*/*.log')
    lines = outcome.out.splitlines()
    assert 'MaskRCNN with vitdense.PVT v2-b0' in outcome.out
    assert f'4 pictures of {small_shapes} by 2, 4 classes' in outcome.out
    assert ('System environment:' in outcome.out) == shown
    assert ('Hooks will be executed' in outcome.out) == shown
    assert 'deprecated' not in outcome.out or shown
    assert 'OneDL' not in outcome.out
    if not shown:
        progress = next(i for i, line in enumerate(lines) if 'eta: ' in line)
        assert progress == 8, lines[: progress + 1]
    assert lines[-1] == f'work folder: {tmp_path / "work"}'
    text = log.read_text()
    for each in ('System environment:', 'Config:', 'Hooks will', 'eta: '):
        assert each in text
    # a base of the backbone names weights that the quick start does not use
    assert 'pvt_v2_b0.pth' not in text
    assert 'none, from scratch' in text
    scalars = next((tmp_path / 'work').glob('*/vis_data/scalars.json'))
    assert 'loss' in json.loads(scalars.read_text().splitlines()[0])


def train(
    tool: Callable, data: Path, work_dir: Path, epochs: int, *args: object
) -> str:
    """Train the detector on; gives what is on the screen."""
    outcome = tool(
        'train.py',
        *(DETECTOR, '--work-dir', work_dir, *args, '--cfg-options'),
        *(f'{key}={value}' for key, value in where(data).items()),
        *(f'train_cfg.max_epochs={epochs}', 'param_scheduler=None'),
        'default_hooks.logger.interval=1',
    )
    assert outcome.code == 0, outcome.err
    return str(outcome.out)


@pytest.mark.parametrize('place', ['work', 'checkpoints/work'])
def test_a_folder_in_use_is_refused(
    tool: Callable, small_shapes: Path, tmp_path: Path, place: str
) -> None:
    """The work folder, or that of checkpoints, which two may share."""
    folder = tmp_path / place
    with held(folder) as process:
        outcome = tool(
            *('train.py', DETECTOR, '--work-dir', tmp_path / 'work'),
            *('--cfg-options', f'{OUT_DIR}={tmp_path}/checkpoints'),
            *(f'{k}={v}' for k, v in where(small_shapes).items()),
        )
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: the folder '{folder}' is in use")
    assert f'by process {process.pid} on' in outcome.err
    assert outcome.err.count('\n') == 1
    assert [p.name for p in folder.iterdir()] == ['.lock']


def test_runs_repeat_and_resume(
    tool: Callable,
    small_shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    load = CheckpointLoader.load_checkpoint

    def count(filename: str, *args: Any, **settings: Any) -> Any:
        read.append(filename)
        return load(filename, *args, **settings)

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', count)
    for name in ('one', 'other'):
        train(tool, small_shapes, tmp_path / name, 1)
    files = [tmp_path / name / 'epoch_1.pth' for name in ('one', 'other')]
    one, other = (load(str(file))['state_dict'] for file in files)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not read
    screen = train(tool, small_shapes, tmp_path / 'one', 2, '--resume')
    # what preflight read is not read again
    assert read == [str(files[0])]
    assert f'weights    {files[0]}, going on' in screen
    assert 'Epoch(train) [2][1/2]' in screen
    assert 'Epoch(train) [1][' not in screen
