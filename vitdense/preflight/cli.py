"""What the command lines share: options, and the place where errors end."""

import argparse
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

# What mmengine, mmdet and mmseg raise while a config is read and built.
BAD_INPUT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
# How the messages end that libraries have written, as `_with_origin` has it.
ORIGIN = re.compile(r' \(\w+ at .+:\d+\)$')
LIBRARY_HINT = (
    '; OpenCV needs system libraries, on Debian and Ubuntu: '
    'apt-get install libgl1 libglib2.0-0'
)


@contextmanager
def one_line_errors(
    kinds: tuple[type[BaseException], ...] = BAD_INPUT, code: int = 2
) -> Iterator[None]:
    """End the program with one line on stderr where the input is bad.

    Meant around the checks that precede the work. An error inside the work
    itself keeps its traceback, but for those that say all that is to be said.

    Args:
        kinds: Which errors are one line.
        code: The exit code.
    """
    try:
        yield
    except kinds as error:
        tell_error(describe(error))
        raise SystemExit(code) from None


def tell_error(text: str) -> None:
    """Print an error once, however many processes have it."""
    # what starts PyTorch is imported late: --help has no need of it
    try:
        from vitdense.engine.processes import to_tell
    except ImportError:  # a library is missing: what there is to tell
        told: str | None = text
    else:
        told = to_tell(text)
    if told is not None:
        print(f'error: {told}', file=sys.stderr, flush=True)


@contextmanager
def nothing_shown() -> Iterator[None]:
    """Leave out what libraries print and warn of while they are imported and
    built: optional packages, the reading of files, coming changes."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter('ignore')
        yield


def describe(error: BaseException) -> str:
    """The error in one line; LookupErrors without their quotes."""
    text = str(error)
    if isinstance(error, LookupError) and error.args:
        text = str(error.args[0])
    line = ' '.join(text.split()) or type(error).__name__
    if isinstance(error, ImportError) and '.so' in line:
        line += LIBRARY_HINT
    return line


@contextmanager
def named(place: str) -> Iterator[None]:
    """Begin the messages of errors raised inside with a config's place.

    What is raised inside may be a slip in a user's own class: of errors that
    name no setting, the message says where in the code they come from.
    """
    try:
        yield
    except Exception as error:
        text = _with_origin(error)
        if text.startswith(place.partition('.')[0]):
            raise
        raise ValueError(f'{place}: {text}') from error


@contextmanager
def given_options(options: Mapping[str, Any]) -> Iterator[None]:
    """Name the options given in errors that name none.

    What libraries raise tells of their code, not of the setting that it had.
    Files that are not there are named by the errors themselves.
    """
    try:
        yield
    except OSError:
        raise
    except BAD_INPUT as error:
        text = _with_origin(error)
        ours = isinstance(error, ValueError) and not ORIGIN.search(text)
        if ours and (not options or any(key in text for key in options)):
            raise
        given = [f'{key}={value!r:.60}' for key, value in options.items()]
        if len(given) == 1:
            text = f'--cfg-options {given[0]}: {text}'
        elif given:
            text += f'; --cfg-options are {", ".join(given)}'
        raise ValueError(text) from error


def _with_origin(error: Exception) -> str:
    """The error in one line; where in the code it is of, if no words of
    ours or of the system's."""
    text = describe(error)
    if not isinstance(error, OSError | RuntimeError | ValueError):
        *_, last = traceback.extract_tb(error.__traceback__)
        if isinstance(error, AssertionError) and not error.args:
            text = f'not so: {last.line}'
        text += f' ({type(error).__name__} at {last.filename}:{last.lineno})'
    return text


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line too."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print ``error: ...`` and exit with 2."""
        tell_error(message)
        raise SystemExit(2)


def add_from_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--from``, of tools that use what a training has left."""
    parser.add_argument(
        '--from',
        dest='work_dir',
        type=Path,
        metavar='WORK_DIR',
        help='take config and checkpoint of a training: the best one, else '
        'the last',
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what all tools ask that build a model of a config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, for example '
        'optim_wrapper.optimizer.lr=1e-4 model.backbone.init_cfg=None',
    )
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='run the code that checkpoints hold; only for your own files',
    )


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share with mmdet's tools."""
    parser.add_argument(
        '--work-dir',
        help='where logs, checkpoints and scores are written; '
        'work_dirs/<name of the config> if neither this nor the config says',
    )
    add_model_options(parser)
    parser.add_argument(
        '--compile',
        action='store_true',
        help='run the backbone through torch.compile, for all image sizes',
    )
    parser.add_argument(
        '--show-settings',
        action='store_true',
        help='show environment and config on the screen, not in the log alone',
    )
    parser.add_argument(
        '--fit-classes',
        action='store_true',
        help="set num_classes in all heads to the data set's, and weights of "
        'classes in losses with it',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started several processes, if any; torchrun is found '
        'without being named',
    )
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help='given by torch.distributed.launch',
    )
