"""``vitdense completion``: what a shell completes after ``vitdense``."""

import argparse
import runpy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vitdense.preflight.cli import OneLineParser, nothing_shown, tell_error
from vitdense.preflight.ready_configs import ready_configs

SHELLS = ('bash', 'zsh')
# arguments that may be the name of a ready config
CONFIGS = {'config', 'configs', 'what'}
# shell functions that complete a ready config or a file
FUNCTION = '_vitdense_configs'
PREAMBLE = {
    'bash': FUNCTION
    + '() {{ compgen -W "{names}" -- "$1"; compgen -f -- "$1"; }}',
    'zsh': FUNCTION + '() {{ compadd {names}; _files; }}',
}


def main(
    args: list[str],
    tools: Mapping[str, tuple[Path, str]],
    own: Mapping[str, str],
) -> int:
    """Print the script of a shell; gives the exit code.

    Args:
        args: The shell.
        tools: By command: the file that it runs, and what it is for.
        own: Commands that are no tools, and what they are for.
    """
    parser = OneLineParser(
        'vitdense completion',
        description='Prints what a shell completes: commands, options and '
        'ready configs. bash: vitdense completion bash > '
        '~/.local/share/bash-completion/completions/vitdense; zsh: vitdense '
        "completion zsh > '${fpath[1]}/_vitdense'.",
    )
    parser.add_argument('shell', choices=SHELLS)
    shell = parser.parse_args(args).shell
    try:
        import shtab
    except ImportError:
        tell_error('vitdense completion needs shtab: pip install shtab')
        return 2
    whole = argparse.ArgumentParser('vitdense')
    commands = whole.add_subparsers()
    for name, text in own.items():
        own_parser = commands.add_parser(name, help=text)
        if name == 'completion':
            own_parser.add_argument('shell', choices=SHELLS)
    for name, (path, text) in tools.items():
        found = _parser_of(path)
        for action in _actions(found):
            if action.choices is None and action.nargs != 0:
                files: Any = shtab.FILE
                if action.dest in CONFIGS and not action.option_strings:
                    files = dict.fromkeys(SHELLS, FUNCTION)
                    action.help = action.dest  # else it is left out
                action.complete = files  # type: ignore[attr-defined]
        commands.add_parser(name, help=text)
        commands.choices[name] = found
    names = ' '.join(ready_configs())
    preamble = PREAMBLE[shell].format(names=names)
    print(shtab.complete(whole, shell, preamble=preamble))
    return 0


class _FoundError(Exception):
    """Carries a parser from where a tool would use it."""


def _parser_of(tool: Path) -> argparse.ArgumentParser:
    """The parser that a tool makes when it reads its command line."""

    def give(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _FoundError(parser)

    with nothing_shown():
        parse = runpy.run_path(str(tool))['parse_args']
    with patch.object(argparse.ArgumentParser, 'parse_known_args', give):
        try:
            parse()
        except _FoundError as found:
            parser: argparse.ArgumentParser = found.args[0]
            return parser
    raise LookupError(f'{tool} reads no command line')


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All options and arguments, those of its own commands among them."""
    for action in parser._actions:
        yield action
        inner: Iterable[Any] = ()
        if isinstance(action, argparse._SubParsersAction):
            inner = action.choices.values()
        for each in inner:
            yield from _actions(each)
