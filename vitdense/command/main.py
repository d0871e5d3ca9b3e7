"""Finds what follows ``vitdense`` on a command line, and runs it."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from vitdense import __version__
from vitdense.command import completion, doctor, list_configs
from vitdense.preflight.cli import tell_error

# in a checkout and in a wheel; `mim` looks for them there
TOOLS = Path(__file__).resolve().parents[1] / '.mim' / 'tools'
OF_TOOLS = {
    'train': 'train a model: vitdense train CONFIG',
    'test': 'score a checkpoint: vitdense test CONFIG CHECKPOINT',
    'infer': 'predict on pictures: vitdense infer CONFIG CHECKPOINT INPUT...',
    'export': 'write a model as ONNX or OpenVINO, checked',
    'benchmark': 'compare backbones by cost and accuracy',
    'check': 'look for what is wrong in data sets',
    'convert': "turn a checkpoint into vitdense's layout, and back",
    'gather': 'make one file of a checkpoint in parts',
    'new-project': 'write a config for your own data',
    'browse': 'show what a model is given after augmentation',
    'plot-logs': 'draw losses, learning rates and scores of trainings',
    'visualize': 'show the levels of a picture, and what a point attends to',
    'replay': 'run once more the step on which a training stopped',
}
# where the file is called otherwise
FILES = {
    'check': 'check_dataset',
    'convert': 'convert_checkpoint',
    'gather': 'gather_checkpoint',
    'new-project': 'new_project',
    'plot-logs': 'plot_logs',
    'replay': 'replay_batch',
}


def _completion(args: list[str]) -> int:
    tools = {
        name: (_path(name), text.partition(': ')[0])
        for name, text in OF_TOOLS.items()
    }
    return completion.main(
        args, tools, {k: text for k, (text, _) in OWN.items()}
    )


OWN: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    'configs': ('list the configs that come with vitdense', list_configs.main),
    'completion': ('print what a shell completes', _completion),
    'doctor': ('tell what is installed and what is missing', doctor.main),
}


def _path(name: str) -> Path:
    return TOOLS / f'{FILES.get(name, name)}.py'


def main() -> int:
    """Run ``sys.argv``; gives the exit code."""
    name, rest = (sys.argv[1:2] or ['--help'])[0], sys.argv[2:]
    if name in {'-h', '--help'}:
        print(_help())
        return 0
    if name == '--version':
        print(f'vitdense {__version__}')
        return 0
    if name in OWN:
        return OWN[name][1](rest)
    if name not in OF_TOOLS:
        choices = ', '.join([*OF_TOOLS, *OWN])
        tell_error(f'vitdense {name}: no such command; choose from {choices}')
        return 2
    tool = runpy.run_path(str(_path(name)))
    sys.argv = [f'vitdense {name}', *rest]  # its help begins by that
    return int(tool['main']() or 0)


def _help() -> str:
    texts = OF_TOOLS | {name: text for name, (text, _) in OWN.items()}
    width = max(map(len, texts))
    lines = (f'  {name:{width}}  {text}' for name, text in texts.items())
    return '\n'.join(
        [
            'usage: vitdense COMMAND ...',
            '',
            *lines,
            '',
            'vitdense COMMAND --help tells more. A CONFIG is a path, or the '
            'name of one that `vitdense configs` lists.',
        ]
    )
