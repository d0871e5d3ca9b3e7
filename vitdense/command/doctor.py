"""``vitdense doctor``: what is installed, what is missing, and what helps."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import torch
from packaging.requirements import Requirement

from vitdense import __version__
from vitdense.preflight.cli import OneLineParser, describe, nothing_shown

# by import name: what either stack calls it
STACKS = {
    'onedl': {
        'mmengine': 'onedl-mmengine',
        'mmcv': 'onedl-mmcv',
        'mmdet': 'onedl-mmdetection',
        'mmseg': 'onedl-mmsegmentation',
    },
    'upstream': {
        'mmengine': 'mmengine',
        'mmcv': 'mmcv-lite',
        'mmdet': 'mmdet',
        'mmseg': 'mmsegmentation',
    },
}
OTHER_NAMES = {'mmcv-lite': 'mmcv', 'onedl-mmpretrain': 'mmpretrain'}
# what only those need who work on vitdense itself
FOR_DEVELOPERS = {'docs', 'lint', 'openmmlab', 'tests'}


def main(args: list[str]) -> int:
    """Print what was found; gives 1 if something is wrong, else 0."""
    parser = OneLineParser(
        'vitdense doctor',
        description='Tells what is installed and how it will run, and of each '
        'problem the command that helps. Exit code 1 if there is a problem.',
    )
    parser.parse_args(args)
    problems: list[str] = []
    lines = [
        ('vitdense', f'{__version__}, {Path(__file__).resolve().parents[1]}'),
        ('Python', f'{platform.python_version()}, {sys.executable}'),
        ('torch', torch.__version__),
        ('device', _device()),
        ('stack', _stack(problems)),
        ('operators', _operators(problems)),
    ]
    extras = list(_extras())
    width = max(len(title) for title, _ in lines + extras)
    for title, text in lines:
        print(f'{title:{width}}  {text}')
    print('\nextras, none of which is needed to train and test')
    for extra, missing in extras:
        state = f'missing: pip install {" ".join(missing)}'
        print(f'{extra:{width}}  {state if missing else "installed"}')
    print()
    for problem in problems:
        print(f'problem: {problem}')
    if not problems:
        print('no problem found')
    return int(bool(problems))


def _device() -> str:
    """What models run on."""
    if torch.cuda.is_available():
        names = [
            torch.cuda.get_device_name(index)
            for index in range(torch.cuda.device_count())
        ]
        return f'CUDA {torch.version.cuda}: {", ".join(names)}'
    cores = len(os.sched_getaffinity(0))  # those that it may use
    # whether the processor itself computes in it, not only PyTorch
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    kind = 'with' if fast else 'without'
    return f'CPU, {cores} cores, {kind} fast bfloat16; no GPU was found'


def _version(name: str) -> str | None:
    for each in (name, OTHER_NAMES.get(name)):
        try:
            if each is not None:
                return f'{each} {version(each)}'
        except PackageNotFoundError:
            continue
    return None


def _stack(problems: list[str]) -> str:
    """Which of the two sets of OpenMMLab's libraries is there."""
    found = {
        stack: {module: _version(name) for module, name in names.items()}
        for stack, names in STACKS.items()
    }
    present = [stack for stack in found if any(found[stack].values())]
    if len(present) == 2:
        upstream = [
            text.split()[0] for text in found['upstream'].values() if text
        ]
        problems.append(
            'both stacks are installed, and they have the same import names: '
            f'pip uninstall {" ".join(upstream)} && pip install '
            f'--force-reinstall --no-deps {" ".join(STACKS["onedl"].values())}'
        )
    for module in STACKS['onedl']:
        if not any(found[stack][module] for stack in present):
            names = STACKS[present[0] if present else 'onedl']
            problems.append(f'no {module}: pip install {names[module]}')
    texts = [
        text for stack in present for text in found[stack].values() if text
    ]
    return f'{" and ".join(present) or "none"}: {", ".join(texts)}'


def _operators(problems: list[str]) -> str:
    """How the operators of mmcv run."""
    with nothing_shown():
        try:
            import mmcv._ext
            import mmcv.ops
        except Exception as error:  # whatever a library raises
            problems.append(f'mmcv.ops does not load: {describe(error)}')
            return 'none'
        if Path(mmcv._ext.__file__).suffix != '.py':  # no stand-in
            return 'compiled, of mmcv'
        from vitdense.ops.backend import load_kernels

        if load_kernels() is None:
            problems.append(
                'operators run slowly on the CPU, without Numba: pip install '
                'numba'
            )
            return 'of vitdense, by PyTorch'
    return 'of vitdense, by Numba and PyTorch; nothing to compile'


def _extras() -> Iterator[tuple[str, list[str]]]:
    """What can be installed beside, and what is missing of each."""
    about = metadata('vitdense')
    required = about.get_all('Requires-Dist') or ()
    for extra in sorted(set(about.get_all('Provides-Extra') or ())):
        if extra in FOR_DEVELOPERS:
            continue
        needs = [
            needed
            for needed in map(Requirement, required)
            if needed.marker and needed.marker.evaluate({'extra': extra})
        ]
        missing = [n.name for n in needs if _version(n.name) is None]
        yield extra, [_in_stack(name) for name in missing]


def _in_stack(name: str) -> str:
    """What a package of the one stack is called in the stack that is there."""
    if _version('mmengine') and not _version('onedl-mmengine'):
        return OTHER_NAMES.get(name, name)
    return name
