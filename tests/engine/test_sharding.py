"""Trainings in parts: saved, resumed, gathered and scored."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, run
from resumed_runs import Training, differing, learned
from small_runs import DETECTOR, SEGMENTER, root, where

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.reading.safe import read_file
from vitdense.checkpoint.whole_file import aside

__all__ = ['root']

SHARDED: dict[str, Any] = {
    'default_hooks__checkpoint__interval': 4,
    'default_hooks__checkpoint__max_keep_ckpts': 2,
    'model_wrapper_cfg__type': 'vitdense.FullyShard',
    'train_dataloader__dataset__indices': 8,
    'val_dataloader__dataset__indices': 2,
    'train_cfg__val_interval': 1000,
    'default_hooks__checkpoint__save_every': '1h',
}
TASKS = {
    DETECTOR: ({'train_cfg__max_epochs': 2}, '[1][2/4]'),
    SEGMENTER: ({'train_cfg__max_iters': 8}, '[2/8]'),
}


def resume_from(training: Training, checkpoint: Path) -> None:
    """Have it go on from a checkpoint of another work folder."""
    place = training.command.index('--resume')
    training.command[place] = f'--resume={checkpoint}'


def scores(config: Path, root: Path, checkpoint: Path, work: Path) -> Any:
    """What tools/test.py finds for a checkpoint."""
    options = where(root, config) | {'test_dataloader.dataset.indices': 2}
    done = run(
        [
            *(sys.executable, str(ROOT / 'tools/test.py')),
            *(str(config), str(checkpoint), '--work-dir', str(work)),
            '--cfg-options',
            *(f'{key}={value}' for key, value in options.items()),
        ]
    )
    assert done.returncode == 0, done.stdout[-3000:]
    (written,) = work.glob('*/*.json')
    found = json.loads(written.read_text())
    return {k: v for k, v in found.items() if 'time' not in k}


@pytest.mark.parametrize(
    'config',
    [
        pytest.param(DETECTOR, marks=pytest.mark.slow),
        pytest.param(SEGMENTER, marks=pytest.mark.soak),
    ],
)
def test_saved_resumed_and_gathered(
    root: Path, tmp_path: Path, config: Path
) -> None:
    length, second_step = TASKS[config]
    settings = {**SHARDED, **length}

    def training(name: str, processes: int, **more: Any) -> Training:
        return Training(
            *(config, root, tmp_path / name),
            processes=processes,
            **{**settings, **more},
        )

    whole = training('whole', 2)
    whole.finish()
    last = whole.last()
    assert last['meta']['iter'] == 8
    folder = whole.work_dir / (whole.work_dir / 'last_checkpoint').read_text()
    assert len(list(folder.glob('*.distcp'))) == 2

    # stopped, and resumed by as many: to the bit
    stopped = training('stopped', 2)
    process = stopped.start()
    list(stopped.lines_until(process, second_step))
    stopped.signal(process, signal.SIGTERM)
    process.communicate(timeout=180)
    assert process.returncode == 75
    place = stopped.last()['meta']['iter']
    assert 2 <= place < 8
    alone = training('alone', 1, train_dataloader__batch_size=2)
    saved = stopped.work_dir / f'iter_{place}.pth'
    resume_from(alone, saved)
    output = alone.finish()
    assert 'changed since the checkpoint: processes: 2 -> 1' in output
    assert alone.last()['meta']['iter'] == 8
    # as a kill leaves it that comes while another folder takes its name
    saved.rename(aside(saved))
    stopped.finish()
    assert differing(learned(last), learned(stopped.last())) == []

    # parts make a plain file
    file = tmp_path / 'plain.pth'
    tool = [sys.executable, str(ROOT / 'tools/gather_checkpoint.py')]
    done = run([*tool, str(folder), str(file)])
    assert done.returncode == 0, done.stdout
    assert differing(learned(last), learned(read_file(file))) == []
    assert scores(config, root, file, tmp_path / 'a') == scores(
        config, root, folder, tmp_path / 'b'
    )

    # a damaged part is found
    part = next(folder.glob('*.distcp'))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match='another sha256'):
        read_file(folder)


@pytest.mark.slow
def test_as_if_each_process_had_all(root: Path, tmp_path: Path) -> None:
    """The same weights, and a plain file that goes on in parts."""
    settings = {**SHARDED, **TASKS[SEGMENTER][0]}
    sharded = Training(
        SEGMENTER, root, tmp_path / 'sharded', processes=2, **settings
    )
    del settings['model_wrapper_cfg__type']
    plain = Training(
        SEGMENTER, root, tmp_path / 'plain', processes=2, **settings
    )
    plain.finish()
    expected = plain.last()['state_dict']
    name = (plain.work_dir / 'last_checkpoint').read_text()
    half = plain.work_dir / 'iter_4.pth'
    assert half.exists()
    assert name != half.name
    resume_from(sharded, half)
    output = sharded.finish()
    assert 'changed since the checkpoint: model_wrapper_cfg' in output
    last = sharded.last()
    assert last['meta']['iter'] == 8
    for name, value in expected.items():
        apart = (last['state_dict'][name] - value).abs().max()
        assert apart < 1e-4, name


@pytest.mark.slow
def test_a_bad_step_is_kept_whole(root: Path, tmp_path: Path) -> None:
    settings = {**SHARDED, **TASKS[SEGMENTER][0]}
    training = Training(
        *(SEGMENTER, root, tmp_path / 'work'),
        processes=2,
        **{**settings, 'optim_wrapper__optimizer__lr': 1e30},
    )
    process = training.start()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert 'not finite at iteration 2' in output
    kept = next(training.work_dir.glob('non_finite_iter_2_rank_0.pth'))
    done = run(
        [sys.executable, str(ROOT / 'tools/replay_batch.py'), str(kept)]
    )
    assert 'reproduced' in done.stdout
