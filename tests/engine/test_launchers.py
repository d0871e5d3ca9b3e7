"""What started a process, which one it is, and where the others are met."""

import os

import pytest

from vitdense.engine import processes
from vitdense.engine.processes import find_launcher, place


@pytest.fixture(autouse=True)
def started_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No launcher's variables, and nothing left of them afterwards."""
    known = {n for names in processes.VARIABLES.values() for n in names}
    known |= {
        n for names in processes.VARIABLES.values() for n in names.values()
    }
    known |= {'MASTER_PORT', 'MASTER_ADDR', 'SLURM_JOB_ID'}
    for name in known:
        # set first: what a test adds is then removed again
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    monkeypatch.delenv('TORCHELASTIC_RUN_ID', raising=False)
    monkeypatch.setattr(processes._This, 'launcher', None)


def test_alone() -> None:
    assert find_launcher('none') == 'none'
    assert place() == (0, 1)


def test_torchrun_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    for name, value in {'RANK': 1, 'WORLD_SIZE': 4, 'LOCAL_RANK': 1}.items():
        monkeypatch.setenv(name, str(value))
    assert find_launcher('none') == 'pytorch'
    assert place() == (1, 4)


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_one_tells_of_options_that_nobody_could_read(
    launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the launcher is would stand in them."""
    name = processes.VARIABLES[launcher]['LOCAL_RANK']
    monkeypatch.setenv(name, '1')
    assert processes.to_tell('wrong') is None
    monkeypatch.setenv(name, '0')
    assert processes.to_tell('wrong') == 'wrong'
    monkeypatch.delenv(name)
    assert processes.to_tell('wrong') == 'wrong'


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_what_has_not_started_it_is_refused(launcher: str) -> None:
    with pytest.raises(ValueError, match=f'--launcher {launcher}: .* not set'):
        find_launcher(launcher)


def test_jobs_of_one_machine_meet_at_ports_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ports = []
    for job in ('4711', '4712'):
        given = {'PROCID': 0, 'NTASKS': 2, 'LOCALID': 0, 'JOB_ID': job}
        for name, value in given.items():
            monkeypatch.setenv(f'SLURM_{name}', str(value))
        monkeypatch.setenv('MASTER_ADDR', 'first')
        processes._tell_pytorch('slurm', {})
        ports.append(os.environ.pop('MASTER_PORT'))
        assert os.environ['WORLD_SIZE'] == '2'
    assert ports == ['24711', '24712']
    processes._tell_pytorch('slurm', {'port': 29600})
    assert os.environ['MASTER_PORT'] == '29600'
