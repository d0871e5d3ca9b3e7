"""Checkpoints that are whole, and what is removed only after."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import resumable as training
from toy_training import stop_in_step

from vitdense.checkpoint.reading.safe import read_file
from vitdense.engine.checkpoint_hook import SafeCheckpointHook, seconds
from vitdense.engine.errors import Preempted
from vitdense.engine.signals import STOPPING


def names(work_dir: Path) -> list[str]:
    return sorted(path.name for path in work_dir.glob('*.pth'))


def test_last_is_named_beside_itself_and_older_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(tmp_path, max_keep_ckpts=2)
    seen = []
    save = run.save_checkpoint

    def look(*args: Any, **settings: Any) -> None:
        seen.append(names(tmp_path))
        save(*args, **settings)

    monkeypatch.setattr(run, 'save_checkpoint', look)
    run.train()
    # the third is written while both are there
    assert seen[-1] == ['epoch_1.pth', 'epoch_2.pth']
    assert names(tmp_path) == ['epoch_2.pth', 'epoch_3.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_3.pth'
    # who may read a new file may read a checkpoint
    (tmp_path / 'new').touch()
    modes = {
        (tmp_path / name).stat().st_mode
        for name in ('new', 'epoch_3.pth', 'last_checkpoint')
    }
    assert len(modes) == 1
    assert not list(tmp_path.glob('.*.part'))


def test_stops_in_an_accumulation_and_goes_on_elsewhere(
    tmp_path: Path,
) -> None:
    """Gradients that wait for more are kept; the folder may be moved."""
    before = {each: signal.getsignal(each) for each in STOPPING}
    whole = training(tmp_path / 'whole')
    whole.train()
    stopped = training(tmp_path / 'stopped')
    stop_in_step(stopped, 4)
    with pytest.raises(Preempted) as ending:
        stopped.train()
    assert ending.value.code == 75
    # asked again, it still ends with that
    signal.raise_signal(signal.SIGTERM)
    for each, handler in before.items():
        signal.signal(each, handler)
    assert names(tmp_path / 'stopped') == ['epoch_1.pth', 'iter_5.pth']
    moved = (tmp_path / 'stopped').rename(tmp_path / 'moved')
    saved = read_file(moved / 'iter_5.pth')
    assert saved['resume']['ranks'][0]['gradients']
    resumed = training(moved, resume=True)
    resumed.train()
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    # as it was, for whoever comes after
    assert signal.getsignal(signal.SIGTERM) == before[signal.SIGTERM]


def test_interval_stays_where_a_time_was_saved_before(tmp_path: Path) -> None:
    """Steps saved by time are outdated by later ones; intervals are not."""
    run = training(tmp_path, by_epoch=False, interval=4)
    hook: Any = next(h for h in run.hooks if isinstance(h, SafeCheckpointHook))
    hook._between = ['iter_4.pth', 'iter_3.pth']  # as of a run before
    run.train()
    assert names(tmp_path) == ['iter_12.pth', 'iter_4.pth', 'iter_8.pth']
    hook.save_between(run, 13)
    hook.save_between(run, 14)
    hook.save_between(run, 15)
    assert 'iter_4.pth' in names(tmp_path)
    assert 'iter_13.pth' not in names(tmp_path)


def test_changes_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training(tmp_path, epochs=1).train()
    other = training(tmp_path, epochs=2, resume=True)
    other._train_dataloader['batch_size'] = 4
    log = Path(other.log_dir)
    other.train()
    text = next(log.glob('*.log')).read_text()
    assert 'changed since the checkpoint: images a process: 2 -> 4' in text
    assert 'resuming will not be exact: 1 changes' in text


def test_full_disk(tmp_path: Path) -> None:
    """One error; what was whole stays whole."""
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from toy_training import resumable as training
training(Path({str(tmp_path)!r}), epochs=1).train()
run = training(Path({str(tmp_path)!r}), resume=True)
# less than a checkpoint, more than the log
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
run.train()
"""
    done = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'TrainingStoppedError: cannot write the checkpoint' in done.stderr
    assert 'File too large' in done.stderr
    assert names(tmp_path) == ['epoch_1.pth']
    read_file(tmp_path / 'epoch_1.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_1.pth'
    assert not list(tmp_path.glob('.*.part'))


def test_best_before_goes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of before is there while the new one is written."""
    run = training(tmp_path, save_best='score', rule='greater')
    hook: Any = next(h for h in run.hooks if isinstance(h, SafeCheckpointHook))
    seen = []
    save = run.save_checkpoint

    def look(*args: Any, **settings: Any) -> None:
        seen.append([n for n in names(tmp_path) if n.startswith('best')])
        save(*args, **settings)

    monkeypatch.setattr(run, 'save_checkpoint', look)
    run._train_loop = run.build_train_loop(run._train_loop)
    run.optim_wrapper = run.build_optim_wrapper(run.optim_wrapper)
    hook.before_train(run)
    for epoch, score in enumerate((1.0, 2.0, 0.5)):
        run.train_loop._epoch = epoch
        hook.after_val_epoch(run, {'score': score})
    assert seen == [[], ['best_score_epoch_0.pth']]
    assert [n for n in names(tmp_path) if n.startswith('best')] == [
        'best_score_epoch_1.pth'
    ]


def test_seconds() -> None:
    assert seconds('10m') == 600
    assert seconds('1.5h') == 5400
    assert seconds(90) == 90
    assert seconds(None) is None
    for wrong in ('', '10x', '-1', '0s', 'm'):
        with pytest.raises(ValueError, match=re.escape(f'{wrong!r} is no')):
            seconds(wrong)


def test_refuses_what_the_hook_does_not_take() -> None:
    with pytest.raises(TypeError, match=r"takes no \['span'\]"):
        SafeCheckpointHook(span=3)
