"""One line for bad input."""

import argparse

import pytest

from vitdense.engine.cli import add_common_options, describe, one_line_errors


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
