"""Several processes that train: errors, deaths, restarts, empty pictures."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from interpreter import python
from processes import ROOT, TORCHRUN, children_of
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


# the first leaves while a collective waits for the second
LEAVES = """
import faulthandler
import sys
import time
import torch
from torch import distributed, nn
from vitdense.engine.processes import leave

faulthandler.dump_traceback_later(90, exit=True)
rank = int(sys.argv[2])
store = distributed.FileStore(sys.argv[1], 2)
distributed.init_process_group('gloo', store=store, rank=rank, world_size=2)
model = nn.parallel.DistributedDataParallel(nn.Linear(2, 2))
model.itself = model  # as a runner's parts refer to each other
del model
if rank == 1:
    time.sleep(2)
distributed.broadcast(torch.ones(3), 1, async_op=rank == 0)
leave()
"""


def allow_restart(training: Training) -> None:
    place = training.command.index('--nproc_per_node')
    training.command[place:place] = ['--max_restarts', '1']


def of_two(work_dir: Path, root: Path, **more: Any) -> Training:
    """A segmenter's, in two processes, long enough to disturb it."""
    return Training(SEGMENTER, root, work_dir, processes=2, **{**LONG, **more})


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
) -> tuple[list[int], str]:
    """Wait until a step is done; gives the processes that train, and what
    they have printed meanwhile."""
    seen = ''.join(training.lines_until(process, f'[{step:2}/{STEPS}]'))
    pids = children_of(process.pid)
    assert len(pids) == 2
    return pids, seen


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
def test_a_killed_one_ends_all(root: Path, tmp_path: Path) -> None:
    """A process or the launcher, ours or torchrun itself; what goes on ends
    like what was never killed."""
    often = {'default_hooks__checkpoint__save_every': '0.3s'}
    whole = of_two(tmp_path / 'whole', root, **often)
    whole.finish()
    folder = tmp_path / 'killed'

    # all start again, as a user has it who never heard of --resume
    training = of_two(folder, root, **often)
    training.command.remove('--resume')
    allow_restart(training)
    process = training.start()
    pids, _ = until_step(training, process, 5)
    os.kill(pids[1], signal.SIGKILL)
    pids, seen = until_step(training, process, 12)
    assert 'restarted by torchrun: resuming' in seen
    assert ', going on' in seen
    assert f'[ 1/{STEPS}]' not in seen

    # but once only
    os.kill(pids[0], signal.SIGKILL)
    output = last_words(process)
    assert process.returncode == 1
    assert output.splitlines()[-1] == (
        f'error: process 0 (pid {pids[0]}) was killed by SIGKILL; '
        'all have ended'
    )
    assert 'Traceback' not in output
    assert alive(pids) == []

    # the launcher: all have saved, and none is left behind
    training = of_two(folder, root, **often)
    process = training.start()
    pids, _ = until_step(training, process, 18)
    process.kill()
    assert 'asked to stop by' in last_words(process)
    assert alive(pids) == []
    assert 18 <= training.last()['meta']['iter'] < STEPS

    # what torchrun starts by itself
    training = of_two(folder, root, module=TORCHRUN, **often)
    place = training.command.index('--resume')
    training.command[place:place] = ['--launcher', 'pytorch']
    process = training.start()
    pids, _ = until_step(training, process, 26)
    os.kill(pids[1], signal.SIGKILL)
    output = last_words(process)
    assert process.returncode == 1
    assert 'rank      : 1 (local_rank: 1)' in output
    assert f'Signal 9 (SIGKILL) received by PID {pids[1]}' in output
    assert alive(pids) == []
    output = training.finish()
    assert ', going on' in output
    assert differing(learned(whole.last()), learned(training.last())) == []


@pytest.mark.slow
def test_all_stop_at_the_same_place(root: Path, tmp_path: Path) -> None:
    """Whichever is signalled, in a step or an evaluation: saved once."""
    training = of_two(
        tmp_path / 'work',
        root,
        val_dataloader__dataset__indices=20,
        train_cfg__val_interval=4,
    )

    def stopped(process: subprocess.Popen[str]) -> str:
        output = last_words(process)
        assert process.returncode == 75, output[-2000:]
        assert alive(pids) == []
        return output

    # all of them, in an evaluation
    process = training.start()
    list(training.lines_until(process, 'Iter(val) [1/5]'))
    pids = children_of(process.pid)
    assert len(pids) == 2
    training.signal(process, signal.SIGUSR1)
    assert 'saved at iteration 4' in stopped(process)
    saved = list(training.work_dir.glob('*.pth'))
    assert [path.name for path in saved] == ['iter_4.pth']
    assert not training.last()['resume']['loop']['validated']

    # the launcher, which does not end before the processes have saved
    process = training.start()
    pids, seen = until_step(training, process, 6)
    # the evaluation that was left is done first
    assert seen.index('Iter(val) [5/5]') < seen.index(f'[ 5/{STEPS}]')
    process.send_signal(signal.SIGUSR1)
    stopped(process)
    place = training.last()['meta']['iter']
    assert place in range(6, 13)

    # one of the two, which is not taken for a failure
    allow_restart(training)
    process = training.start()
    pids, _ = until_step(training, process, place + 2)
    os.kill(pids[1], signal.SIGTERM)
    output = stopped(process)
    assert 'asked to stop by a signal to another process' in output
    assert 'restarted' not in output
    assert training.last()['meta']['iter'] >= place + 2


@pytest.mark.slow
def test_the_launcher_is_killed_at_once(root: Path, tmp_path: Path) -> None:
    """Processes that it has just started do not wait for it."""
    training = of_two(tmp_path / 'work', root)
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


@pytest.mark.slow
def test_leaving_waits_for_no_thread_that_waits_for_it(tmp_path: Path) -> None:
    """The thread of the collective needs the interpreter's lock to free what
    was received. An end of the group that holds it hangs, every time."""
    with ThreadPoolExecutor() as pool:
        ended = pool.map(
            lambda rank: python('-c', LEAVES, tmp_path / 'store', rank), (0, 1)
        )
    for status, output in ended:
        assert status == 0, output
