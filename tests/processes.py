"""Several processes, started by torchrun as users start them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# what tools/dist_train.sh calls, and what users may call themselves
LAUNCH, TORCHRUN = 'vitdense.engine.launch', 'torch.distributed.run'


def free_port() -> int:
    with socket.socket() as open_socket:
        open_socket.bind(('127.0.0.1', 0))
        return int(open_socket.getsockname()[1])


def torchrun(count: int, module: str = LAUNCH) -> list[str]:
    """A command that runs what follows it in so many processes."""
    return [
        *(sys.executable, '-m', module, '--nproc_per_node', str(count)),
        *('--master_port', str(free_port())),
    ]


def environment() -> dict[str, str]:
    """Variables of a process that finds the package and helpers of tests, and
    no package that training has no need of.

    peft needs transformers: WITH_TRANSFORMERS lets them be found.
    """
    found = [ROOT, ROOT / 'tests']
    if 'WITH_TRANSFORMERS' not in os.environ:
        found.append(ROOT / 'tests/absent')
    path = [*map(str, found), os.environ.get('PYTHONPATH', '')]
    return {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': os.pathsep.join(filter(None, path)),
    }


def run(
    command: list[str], timeout_s: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output is all in one."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


HOLD = """
import sys
from vitdense.engine.work_folder import occupied
with occupied(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, in whose use a work folder is until it is killed."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(folder)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while process.stdout.readline().strip() != 'held':
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


def children_of(pid: int) -> list[int]:
    """What a running process has started, first one first."""
    tasks = Path(f'/proc/{pid}/task').glob('*/children')
    return sorted(int(c) for task in tasks for c in task.read_text().split())
