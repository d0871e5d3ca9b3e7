"""One line for bad input."""

import argparse
import warnings

import pytest

from vitdense.preflight.cli import (
    add_common_options,
    describe,
    named,
    nothing_shown,
    one_line_errors,
)
from vitdense.preflight.options import CommonOptions


def test_describe() -> None:
    assert describe(ValueError('one\n  two')) == 'one two'
    assert describe(KeyError("no 'x'")) == "no 'x'"
    assert describe(AssertionError()) == 'AssertionError'
    missing = ImportError('libGL.so.1: cannot open shared object file')
    assert describe(missing).endswith('apt-get install libgl1 libglib2.0-0')


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending, one_line_errors():
        raise FileNotFoundError('no such\nfile')
    assert ending.value.code == 2
    assert capsys.readouterr().err == 'error: no such file\n'


def test_interruption_is_not_bad_input() -> None:
    with pytest.raises(KeyboardInterrupt), one_line_errors():
        raise KeyboardInterrupt


def test_none_in_options() -> None:
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    args = parser.parse_args(['--cfg-options', 'a.b=None', 'c=[1,2]'])
    assert args.cfg_options == {'a.b': None, 'c': [1, 2]}


def test_options_are_taken_from_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_common_options(parser)
    options = CommonOptions.of(parser.parse_args(['a.py', '--compile']))
    assert options == CommonOptions(config='a.py', compile=True)


def test_nothing_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with nothing_shown():
        print('loading annotations into memory...')
        warnings.warn('old', DeprecationWarning, stacklevel=1)
    print('shown')
    assert capsys.readouterr() == ('shown\n', '')


def test_errors_are_given_their_place() -> None:
    with pytest.raises(ValueError, match=r'^val_cfg: no$'), named('val_cfg'):
        raise ValueError('no')
    named_already = r'^val_dataloader.dataset: no$'
    with (
        pytest.raises(ValueError, match=named_already),
        named('val_dataloader'),
        named('val_dataloader.dataset'),
    ):
        raise ValueError('no')
    # a slip in someone's code, with its line
    slip = r"^val_cfg: 'x' \(KeyError at .*test_cli\.py:\d+\)$"
    with pytest.raises(ValueError, match=slip), named('val_cfg'):
        raise KeyError("'x'")
