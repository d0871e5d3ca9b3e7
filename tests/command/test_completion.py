"""``vitdense completion``, in a real bash."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from vitdense.command.main import OF_TOOLS, OWN, main
from vitdense.preflight.ready_configs import ready_configs

# what bash does when Tab is pressed behind the last word
TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"$(complete -p vitdense | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope='module')
def pressed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], set[str]]:
    """What Tab gives behind a command line."""
    folder = tmp_path_factory.mktemp('completion')
    file = folder / 'vitdense'
    with file.open('w') as out, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, 'argv', ['vitdense', 'completion', 'bash'])
        patched.setattr(sys, 'stdout', out)
        assert main() == 0
    (folder / 'photos.txt').touch()

    def press(line: str) -> set[str]:
        done = subprocess.run(
            ['bash', '-c', TAB, 'bash', str(file), *line.split(' ')],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return set(done.stdout.split())

    return press


def test_commands(pressed: Callable[[str], set[str]]) -> None:
    assert pressed('vitdense ') >= {*OF_TOOLS, *OWN}
    assert pressed('vitdense tr') == {'train'}
    assert pressed('vitdense benchmark sp') == {'speed'}


def test_options_and_their_choices(
    pressed: Callable[[str], set[str]],
) -> None:
    assert pressed('vitdense train --re') == {'--resume', '--requeue'}
    assert '--overlap' in pressed('vitdense infer a b c --')
    kinds = {'none', 'pytorch', 'slurm', 'mpi'}
    assert pressed('vitdense test x --launcher ') == kinds
    assert pressed('vitdense completion ') == {'bash', 'zsh'}


def test_configs_and_files(pressed: Callable[[str], set[str]]) -> None:
    start = 'mask-rcnn_pvt-v2-b0'
    names = {name for name in ready_configs() if name.startswith(start)}
    assert names
    for command in ('train', 'test', 'infer', 'browse', 'check'):
        assert pressed(f'vitdense {command} {start}') == names
        assert pressed(f'vitdense {command} pho') == {'photos.txt'}
    assert pressed('vitdense test x pho') == {'photos.txt'}


def test_of_zsh(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', ['vitdense', 'completion', 'zsh'])
    assert main() == 0
    out = capsys.readouterr().out
    assert out.startswith('#compdef vitdense\n')
    for name in (*OF_TOOLS, *ready_configs(), '--requeue'):
        assert name in out


def test_what_it_needs_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', ['vitdense', 'completion', 'bash'])
    monkeypatch.setitem(sys.modules, 'shtab', None)
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err == 'error: vitdense completion needs shtab: pip install shtab\n'
