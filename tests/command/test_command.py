"""The command ``vitdense``: the tools by name, configs, the doctor."""

import sys
from importlib.metadata import PackageNotFoundError, entry_points, version

import own_folders
import pytest
from small_runs import root

from vitdense import __version__
from vitdense.command import doctor
from vitdense.command.main import FILES, OF_TOOLS, OWN, TOOLS, main
from vitdense.preflight.ready_configs import (
    CONFIGS,
    find_config,
    ready_configs,
)

__all__ = ['root']


@pytest.fixture
def vitdense(monkeypatch, capsys):
    """Run ``vitdense ARGS`` here; gives exit code, output and errors."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['vitdense', *args])
        try:
            code: int | str | None = main()
        except SystemExit as ending:
            code = ending.code
        return code or 0, *capsys.readouterr()

    return run


def test_is_installed():
    (script,) = entry_points(group='console_scripts', name='vitdense')
    assert script.load() is main


def test_help_names_all(vitdense):
    code, out, _ = vitdense('--help')
    assert code == 0
    for name, text in OF_TOOLS.items():
        assert f'  {name} ' in out
        assert text in out
        assert (TOOLS / f'{FILES.get(name, name)}.py').is_file()
    for name, (text, _) in OWN.items():
        assert f'  {name} ' in out
        assert text in out
    assert vitdense()[1] == out
    assert vitdense('--version')[1] == f'vitdense {__version__}\n'


def test_tools_are_named_as_called(vitdense):
    code, out, _ = vitdense('train', '--help')
    assert code == 0
    assert out.startswith('usage: vitdense train ')


def test_unknown_command(vitdense):
    code, out, err = vitdense('trainn')
    assert (code, out) == (2, '')
    assert err.startswith('error: vitdense trainn: no such command; choose')
    assert err.count('\n') == 1


def test_config_by_name(vitdense, tmp_path, monkeypatch):
    """Preflight takes it, from any folder; an unknown one is one line."""
    monkeypatch.chdir(tmp_path)
    code, _, err = vitdense('check', 'retinanet_pvt-v2-b0_fpn_1x_coco')
    assert code == 2
    assert 'data/coco' in err  # the config was read: its data is missing
    code, _, err = vitdense('check', 'retinanet_pvt-v2-b0_fpn_1x_cocoo')
    assert code == 2
    assert err.startswith("error: no config at 'retinanet_pvt-v2-b0_fpn_1x_c")
    assert "'retinanet_pvt-v2-b0_fpn_1x_coco'" in err
    assert err.count('\n') == 1


@pytest.mark.slow
def test_new_project_names_commands_as_it_was_called(
    vitdense, root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    own_folders.masks(tmp_path / 'data', root)
    args = own_folders.ask('masks', tmp_path / 'data', tmp_path / 'mine')
    code, out, _ = vitdense('new-project', *map(str, args))
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[-3:]] == [
        ['vitdense', name, 'mine/mine.py']
        for name in ('check', 'train', 'test')
    ]


def test_find_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'retinanet_pvt-v2-b0_fpn_1x_coco'
    path = CONFIGS / 'pvt' / f'{name}.py'
    for asked in (name, f'{name}.py', f'pvt/{name}', f'pvt/{name}.py'):
        assert find_config(asked) == path
    for other in (f'cvt/{name}', '', '_base_', 'default_runtime'):
        with pytest.raises(FileNotFoundError, match='no config at'):
            find_config(other)
    own = tmp_path / f'{name}.py'
    own.touch()
    assert find_config(f'{name}.py').resolve() == own  # a file goes first


def test_configs_are_listed(vitdense):
    code, out, _ = vitdense('configs')
    assert code == 0
    listed = {line.split()[0] for line in out.splitlines()[1:-2]}
    assert listed == set(ready_configs())
    assert len(listed) == len(list(CONFIGS.glob('[!_]*/*.py')))
    out = vitdense('configs', 'atss_pvt-v2-b2-li')[1]
    assert out.splitlines()[1].split(maxsplit=2) == [
        'atss_pvt-v2-b2-li_fpn_ms-crop-3x_coco',
        '30.16',
        'COCO: box AP 48.9',
    ]
    out = vitdense('configs', 'quickstart/*', '--paths')[1]
    assert set(out.split()) == {
        str(path) for path in CONFIGS.glob('quickstart/*.py')
    }
    code, out, err = vitdense('configs', 'nothing-like-it')
    assert (code, out) == (2, '')
    assert err == "error: no config is called like 'nothing-like-it'\n"


def test_doctor_finds_no_problem(vitdense):
    code, out, _ = vitdense('doctor')
    assert code == 0, out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line)
    assert lines['vitdense'].startswith(__version__)
    assert 'mmengine' in lines['stack']
    assert lines['operators'].startswith('of vitdense, by Numba')
    assert 'lora' in lines
    assert out.endswith('no problem found\n')


def test_doctor_stays_in_the_stack_that_is_there(vitdense, monkeypatch):
    """With upstream's alone, no package that brings the other one."""

    def seen(name):
        if name.startswith('onedl-') or name in {'mmpretrain', 'mmcv'}:
            raise PackageNotFoundError(name)
        return '1.0'

    monkeypatch.setattr(doctor, 'version', seen)
    _, out, _ = vitdense('doctor')
    assert 'pretrain    missing: pip install mmpretrain\n' in out
    assert 'onedl' not in out


def test_doctor_names_what_helps(vitdense, monkeypatch):
    """Both stacks at once; a library, Numba and an extra that are missing."""

    def seen(name):
        if name in {'peft', 'mmdet', 'onedl-mmdetection'}:
            raise PackageNotFoundError(name)
        if name == 'mmsegmentation':
            return '1.2.2'
        return version(name)

    monkeypatch.setattr(doctor, 'version', seen)
    monkeypatch.setattr('vitdense.ops.backend.load_kernels', lambda: None)
    code, out, _ = vitdense('doctor')
    assert code == 1
    assert 'missing: pip install peft\n' in out
    assert 'problem: no mmdet: pip install ' in out
    assert 'problem: operators run slowly on the CPU' in out
    if 'onedl-mmengine' in out:
        assert 'problem: both stacks are installed' in out
        assert 'pip uninstall mmsegmentation && ' in out
    assert 'no problem' not in out
