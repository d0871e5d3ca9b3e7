"""What the shell scripts call, and that torchrun takes it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOWS_ARGUMENTS = """#!/usr/bin/env bash
printf '%s\\n' "$PYTHONPATH" "$@"
"""


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A program that prints its path for imports and its arguments."""
    program = tmp_path / 'srun'
    program.write_text(SHOWS_ARGUMENTS)
    program.chmod(0o755)
    return program


def script(
    name: str, *args: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of ``tools`` from another folder."""
    ours = (
        *('NNODES', 'NODE_RANK', 'PORT', 'MASTER_ADDR', 'MAX_RESTARTS'),
        'PYTHONPATH',
    )
    kept = {key: os.environ[key] for key in os.environ if key not in ours}
    return subprocess.run(
        [str(ROOT / 'tools' / name), *args],
        cwd='/',
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def called(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The arguments of what a script has called."""
    assert done.returncode == 0, done.stderr
    path, *arguments = done.stdout.splitlines()
    assert Path(path).resolve() == ROOT
    return arguments


def test_dist_train_keeps_arguments_as_they_are(stub: Path) -> None:
    arguments = called(
        script('dist_train.sh', 'a b.py', '2', '--amp', PYTHON=str(stub))
    )
    assert arguments == [
        *('-m', 'vitdense.engine.launch'),
        *('--nnodes', '1', '--node_rank', '0', '--nproc_per_node', '2'),
        *('--max_restarts', '0'),
        *('--master_addr', '127.0.0.1', '--master_port', '29500'),
        *(str(ROOT / 'tools/train.py'), 'a b.py', '--amp'),
        *('--launcher', 'pytorch'),
    ]


def test_dist_test_reads_where_the_machines_are(stub: Path) -> None:
    arguments = called(
        script(
            *('dist_test.sh', 'c.py', 'epoch_1.pth', '8', '--tta'),
            PYTHON=str(stub),
            NNODES='4',
            NODE_RANK='3',
            MASTER_ADDR='first',
            MAX_RESTARTS='3',
            PORT='29511',
        )
    )
    assert arguments[2:] == [
        *('--nnodes', '4', '--node_rank', '3', '--nproc_per_node', '8'),
        *('--max_restarts', '3'),
        *('--master_addr', 'first', '--master_port', '29511'),
        *(str(ROOT / 'tools/test.py'), 'c.py', 'epoch_1.pth', '--tta'),
        *('--launcher', 'pytorch'),
    ]


@pytest.mark.parametrize(
    ('gpus', 'nodes', 'per_node'),
    [('16', '2', '8'), ('12', '2', '8'), ('2', '1', '2')],
    ids=['many', 'uneven', 'few'],
)
def test_slurm_train(stub: Path, gpus: str, nodes: str, per_node: str) -> None:
    arguments = called(
        script(
            *('slurm_train.sh', 'gpu', 'pvt', 'c.py', 'out dir', '--amp'),
            PATH=f'{stub.parent}:{os.environ["PATH"]}',
            PYTHON='python3',
            GPUS=gpus,
            SRUN_ARGS='--time 10 --requeue',
        )
    )
    assert arguments == [
        *('--partition', 'gpu', '--job-name', 'pvt'),
        *('--nodes', nodes, '--gres', f'gpu:{per_node}', '--ntasks', gpus),
        *('--ntasks-per-node', per_node, '--cpus-per-task', '5'),
        *('--kill-on-bad-exit', '1', '--signal=USR1@120'),
        *('--time', '10', '--requeue'),
        *('python3', '-u', str(ROOT / 'tools/train.py'), 'c.py'),
        *('--work-dir', 'out dir', '--amp', '--launcher', 'slurm'),
    ]


@pytest.mark.parametrize(
    ('command', 'complaint'),
    [
        (('dist_train.sh', 'c.py'), 'CONFIG GPUS'),
        (('dist_test.sh', 'c.py', '2'), 'CONFIG CHECKPOINT GPUS'),
        (('slurm_train.sh', 'gpu', 'pvt', 'c.py'), 'PARTITION JOB_NAME'),
        (('dist_train.sh', 'c.py', '--amp'), "GPUS is '--amp'"),
        (('dist_test.sh', 'c.py', 'e.pth', '0'), "GPUS is '0'"),
    ],
    ids=lambda value: '-'.join(value) if isinstance(value, tuple) else '',
)
def test_bad_calls_end_in_one_line(
    stub: Path, command: tuple[str, ...], complaint: str
) -> None:
    path = f'{stub.parent}:{os.environ["PATH"]}'
    done = script(*command, PYTHON=str(stub), PATH=path)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('error: ')
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('variable', ['GPUS', 'GPUS_PER_NODE'])
@pytest.mark.parametrize('value', ['0', 'all', '-1'])
def test_slurm_train_names_a_bad_variable(
    stub: Path, variable: str, value: str
) -> None:
    path = f'{stub.parent}:{os.environ["PATH"]}'
    command = ('slurm_train.sh', 'gpu', 'pvt', 'c.py', 'out')
    done = script(*command, PATH=path, **{variable: value})
    assert (done.returncode, done.stdout) == (2, '')
    said = f"error: {variable} is '{value}', not a whole number above 0\n"
    assert done.stderr == said


@pytest.mark.parametrize('job', ['', '4711'], ids=['alone', 'in a job'])
def test_slurm_runs_again_only_what_sbatch_has_queued(
    stub: Path, job: str
) -> None:
    done = script(
        *('slurm_train.sh', 'gpu', 'pvt', 'c.py', 'out', '--requeue'),
        PATH=f'{stub.parent}:{os.environ["PATH"]}',
        SLURM_JOB_ID=job,
    )
    if job:
        assert '--requeue' in called(done)
    else:
        assert (done.returncode, done.stdout) == (2, '')
        assert done.stderr.startswith('error: --requeue: srun by itself')
        assert len(done.stderr.splitlines()) == 1


def test_torchrun_takes_the_arguments() -> None:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    command = ('dist_train.sh', 'c.py', '1', '-h')
    done = script(*command, PYTHON=sys.executable, PORT=port)
    assert done.returncode == 0, done.stderr
    assert 'train.py' in done.stdout
