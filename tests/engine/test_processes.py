"""Several processes that train: errors, deaths, restarts, empty pictures."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, children_of
from resumed_runs import Training, differing, learned
from small_runs import DETECTOR, SEGMENTER, root

__all__ = ['root']

FEW: dict[str, Any] = {
    'train_dataloader__dataset__indices': 8,
    'val_dataloader__dataset__indices': 2,
    'train_cfg__val_interval': 1000,
}
STEPS = 40
LONG = {**FEW, 'train_cfg__max_iters': STEPS}
# what the last process to notice has, to end
SOON_S = 60
STARTING_S = 240
RETINANET = ROOT / 'configs/pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'


def allow_restart(training: Training) -> None:
    place = training.command.index('--nproc_per_node')
    training.command[place:place] = ['--max_restarts', '1']


@pytest.fixture
def training(root: Path, tmp_path: Path) -> Training:
    """A segmenter's, in two processes, long enough to disturb it."""
    return Training(SEGMENTER, root, tmp_path / 'work', processes=2, **LONG)


def assert_saved(training: Training) -> None:
    """It has saved where it was stopped, before its end."""
    assert 3 <= training.last()['meta']['iter'] < STEPS


def last_words(
    process: subprocess.Popen[str], within_s: float = SOON_S
) -> str:
    """What a process prints until it ends, which it does in time."""
    output, _ = process.communicate(timeout=within_s)
    return output


def alive(pids: list[int]) -> list[int]:
    """Those of some processes that still run, after a moment to end in."""
    ends_s = time.monotonic() + SOON_S
    while found := [pid for pid in pids if runs(pid)]:
        if time.monotonic() > ends_s:
            break
        time.sleep(0.1)
    return found


def runs(pid: int) -> bool:
    """Whether it does; what has ended is listed until its parent hears."""
    try:
        return 'State:\tZ' not in Path(f'/proc/{pid}/status').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_step(
    training: Training, process: subprocess.Popen[str], step: int
) -> list[int]:
    """Wait until a step is done; gives the processes that train."""
    wanted = re.compile(rf'Iter\(train\) \[ *{step}/')
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if wanted.search(line):
            return children_of(process.pid)
    raise AssertionError(''.join(seen))


@pytest.mark.slow
def test_a_mistake_is_told_once(root: Path, tmp_path: Path) -> None:
    training = Training(
        *(DETECTOR, root, tmp_path / 'work'),
        processes=2,
        model__backbone__arch='v9',
    )
    allow_restart(training)
    process = training.start()
    # all of a start is in it
    output = last_words(process, STARTING_S)
    assert process.returncode == 2
    (line,) = output.splitlines()
    assert line.startswith("error: config: PVT has no arch 'v9'")
    assert not training.work_dir.exists()


@pytest.mark.slow
def test_an_error_of_one_names_it(root: Path, tmp_path: Path) -> None:
    config = tmp_path / 'fails.py'
    config.write_text(f"""
_base_ = '{SEGMENTER}'
custom_imports = dict(imports=['vitdense', 'training_hooks'])
custom_hooks = [dict(type='FailInOne', rank=1, step=2)]
""")
    training = Training(config, root, tmp_path / 'work', processes=2, **LONG)
    process = training.start()
    output = last_words(process, STARTING_S)
    assert process.returncode == 1
    assert re.fullmatch(
        r'error: process 1 \(pid \d+\) ended with exit code 1: '
        r'RuntimeError: the disk of process 1 is gone; all have ended',
        output.splitlines()[-1],
    )
    assert output.count('Traceback (most recent call last)') == 1


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_a_killed_one_ends_all(training: Training, rank: int) -> None:
    process = training.start()
    pids = until_step(training, process, 3)
    assert len(pids) == 2
    os.kill(pids[rank], signal.SIGKILL)
    output = last_words(process)
    assert process.returncode == 1
    assert output.splitlines()[-1] == (
        f'error: process {rank} (pid {pids[rank]}) was killed by SIGKILL; '
        'all have ended'
    )
    assert 'Traceback' not in output
    assert alive(pids) == []


@pytest.mark.slow
def test_all_restart_from_the_last_checkpoint(
    root: Path, tmp_path: Path
) -> None:
    settings = {**LONG, 'default_hooks__checkpoint__save_every': '0.3s'}
    whole = Training(
        SEGMENTER, root, tmp_path / 'whole', processes=2, **settings
    )
    killed = Training(
        SEGMENTER, root, tmp_path / 'killed', processes=2, **settings
    )
    whole.finish()
    # as a user has it who never heard of --resume
    killed.command.remove('--resume')
    allow_restart(killed)
    process = killed.start()
    os.kill(until_step(killed, process, 5)[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    assert 'restarted by torchrun: resuming' in output
    assert ', going on' in output
    assert not re.search(rf'Iter\(train\) \[ *1/{STEPS}\]', output)
    assert differing(learned(whole.last()), learned(killed.last())) == []


@pytest.mark.slow
def test_the_launcher_hands_on_signals(training: Training) -> None:
    """SIGUSR1, which torchrun would not; SIGTERM comes to all when it dies."""
    process = training.start()
    pids = until_step(training, process, 3)
    process.send_signal(signal.SIGUSR1)
    output = last_words(process)
    assert process.returncode == 75, output[-2000:]
    assert 'asked to stop by' in output
    assert alive(pids) == []
    assert_saved(training)


@pytest.mark.slow
def test_one_that_is_asked_to_stop_is_not_restarted(
    training: Training,
) -> None:
    allow_restart(training)
    process = training.start()
    pids = until_step(training, process, 3)
    os.kill(pids[1], signal.SIGTERM)
    output = last_words(process)
    assert process.returncode == 75, output[-2000:]
    assert 'asked to stop by a signal to another process' in output
    assert 'restarted' not in output
    assert_saved(training)


@pytest.mark.slow
def test_the_launcher_is_killed(training: Training) -> None:
    """No process is left behind, and all have saved."""
    process = training.start()
    pids = until_step(training, process, 3)
    process.kill()
    output = last_words(process)
    assert 'asked to stop by' in output
    assert alive(pids) == []
    assert_saved(training)


@pytest.mark.slow
def test_the_launcher_is_killed_at_once(training: Training) -> None:
    """Processes that it has just started do not wait for it."""
    process = training.start()
    while len(pids := children_of(process.pid)) < 2:
        time.sleep(0.05)
    process.kill()
    last_words(process, STARTING_S)
    assert alive(pids) == []
    assert not training.work_dir.exists()


def without_ground_truth(root: Path, folder: Path) -> Path:
    """Annotations of eight pictures, every second one without an object."""
    path = root / 'coco/annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    content['images'] = content['images'][:8]
    kept = {image['id'] for image in content['images'][::2]}
    content['annotations'] = [
        each for each in content['annotations'] if each['image_id'] in kept
    ]
    written = folder / 'every_second.json'
    written.write_text(json.dumps(content))
    return written


def retinanet(folder: Path) -> Path:
    """A config: RetinaNet on the data of the quick start."""
    config = folder / 'retinanet.py'
    base = ROOT / 'configs/_base_'
    config.write_text(f"""
_base_ = [
    '{base}/models/retinanet_fpn.py',
    '{base}/datasets/shapes_instance.py',
    '{base}/schedules/cosine_4e.py',
    '{base}/det_runtime.py',
]
model = dict(
    backbone=dict(type='vitdense.PVT', arch='v2-b0'),
    neck=dict(in_channels=[32, 64, 160, 256]),
    bbox_head=dict(num_classes=4))
""")
    return config


@pytest.mark.slow
@pytest.mark.parametrize('head', ['mask-rcnn', 'retinanet'])
def test_pictures_without_ground_truth(
    root: Path, tmp_path: Path, head: str
) -> None:
    """One process never sees an object; the other one always does."""
    config = DETECTOR if head == 'mask-rcnn' else retinanet(tmp_path)
    training = Training(
        *(config, root, tmp_path / 'work'),
        processes=2,
        train_dataloader__dataset__ann_file=without_ground_truth(
            root, tmp_path
        ),
        train_dataloader__dataset__filter_cfg__filter_empty_gt=False,
        train_dataloader__sampler__shuffle=False,
        train_cfg__max_epochs=2,
        train_cfg__val_interval=2,
        val_dataloader__dataset__indices=2,
    )
    training.finish()
    last = training.last()
    assert last['meta']['iter'] == 8
    bad = [
        name
        for name, value in last['state_dict'].items()
        if not value.isfinite().all()
    ]
    assert bad == []


@pytest.mark.slow
def test_the_first_process_tells_of_all(root: Path, tmp_path: Path) -> None:
    """Broken images, of which each process meets one; what a step is."""
    broken = tmp_path / 'shapes'
    shutil.copytree(root, broken)
    pictures = sorted((broken / 'ade20k/images/training').iterdir())[:2]
    for picture in pictures:
        content = picture.read_bytes()
        picture.write_bytes(content[: len(content) // 2])
    settings = {
        **LONG,
        'train_cfg__max_iters': 4,
        'train_dataloader__batch_size': 2,
        'auto_scale_lr__enable': True,
    }
    training = Training(
        SEGMENTER, broken, tmp_path / 'work', processes=2, **settings
    )
    training.command.insert(
        training.command.index('--resume'), '--skip-broken-images'
    )
    output = training.finish()
    assert '2 broken images were left out' in output
    for picture in pictures:
        assert f'{picture}: a JPEG cut off' in output
    assert output.count('broken images were left out') == 1
    assert (
        '  step       4 images (2 processes x 2), learning rate 0.0005, '
        'scaled from 0.001 for 8 images\n'
    ) in output
    assert output.count('  step   ') == 1
    (group, *_) = training.last()['optimizer']['param_groups']
    assert group['initial_lr'] == pytest.approx(0.0005)
