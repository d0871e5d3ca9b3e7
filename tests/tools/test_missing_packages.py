"""What a tool says where a package is missing helps."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from interpreter import ROOT, python


def test_converting_without_torch():
    """The command was tried by hand in an empty environment."""
    status, output = python(
        '-c',
        'import runpy, sys\n'
        "sys.modules['torch'] = None\n"
        "runpy.run_path('tools/convert_checkpoint.py')",
    )
    assert status == 1
    assert output.startswith('error: ')
    assert len(output.splitlines()) == 1
    extra, constraints = re.search(
        r'`pip install torch==\S+ -e \.\[(\w+)\] -c (\S+)`', output
    ).groups()
    assert f'\n{extra} = file:' in (ROOT / 'setup.cfg').read_text()
    assert (ROOT / constraints).is_file()


def test_nobody_is_sent_to_a_package_index():
    """vitdense is on none, so only an install from its clone works."""
    for folder in ('vitdense', 'tools', 'docs', 'requirements'):
        for path in (ROOT / folder).rglob('*.*'):
            if path.suffix in {'.py', '.md', '.txt', '.sh'}:
                text = path.read_text()
                assert 'pip install vitdense' not in text, path


def test_panoptic_training_without_its_figures(
    tool: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says what to install, whether or not the data is there."""
    monkeypatch.setitem(sys.modules, 'panopticapi', None)
    config = 'configs/pvt/mask2former_pvt-v2-b2_lsj-50e_coco-panoptic.py'
    work_dir = tmp_path / 'work'
    ended = tool('train.py', ROOT / config, '--work-dir', work_dir)
    assert ended.code == 2
    assert re.fullmatch(
        r'error: train_dataloader\.dataset: panopticapi is not installed, '
        r'please install it by: pip install git\+https://\S+panopticapi.*\n',
        ended.err,
    ), ended.err
    assert not work_dir.exists()


def test_pretraining_without_its_library(
    tool: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    config = ROOT / 'configs/pretrain/deit_pvt-v2-b0_8xb128-300e_in1k.py'
    ended = tool('train.py', config, '--work-dir', tmp_path / 'work')
    assert ended.code == 2
    assert ended.err == (
        f'error: {config}: classification needs mmpretrain, which is not '
        'installed; vitdense has it as the extra pretrain: pip install -e '
        '.[pretrain], in its folder\n'
    )
    assert not (tmp_path / 'work').exists()
