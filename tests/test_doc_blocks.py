"""Every block of code in the documentation is run, or says why it is not.

``BLOCKS`` has an entry for each block that is not text, page by page and in
their order: a new one fails until it is here. What is not run has at
least its options, config names and targets of make held against what there
is.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from runpy import run_path
from typing import Any, NamedTuple

import pytest
import torch
from interpreter import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from test_docs import PAGES, ids
from timm_alone import import_timm

import vitdense
from vitdense.command.main import FILES, OF_TOOLS, OWN
from vitdense.preflight.ready_configs import find_config

# Python that is run by this file
HERE = 'here'
# why a command is not run
COCO = 'needs COCO or ADE20K'
LONG = 'takes minutes to hours'
NODES = 'needs Slurm, or several machines'
NETWORK = 'needs a network'
ABSTRACT = 'a form of command, run by tests of the tool with files of theirs'
# Python that is not whole
EXCERPT = 'an excerpt of code that is in the package'

BLOCKS = {
    'CONTRIBUTING.md': (LONG, 'tests/test_packaging.py'),
    'README.md': (LONG, COCO, ABSTRACT, ABSTRACT, NETWORK, HERE),
    'configs/README.md': (EXCERPT, COCO),
    'configs/baselines/README.md': (COCO, HERE),
    'configs/cvt/README.md': (COCO,),
    'configs/pvt/README.md': (COCO,),
    'configs/quickstart/README.md': ('tests/test_packaging.py',),
    'configs/t2t/README.md': (COCO,),
    'configs/vit/README.md': (COCO,),
    'docs/adding-a-backbone.md': ('tests/tools/test_outside_family.py',) * 8,
    'docs/architecture.md': (EXCERPT, EXCERPT),
    'docs/benchmarking.md': ('tests/tools/test_benchmark_docs.py',) * 7,
    'docs/checking-data.md': (ABSTRACT, LONG),
    'docs/checkpoints.md': ('tests/checkpoint/test_memory.py', ABSTRACT),
    'docs/command.md': (
        'tests/test_packaging.py',
        'tests/command/test_completion.py',
    ),
    'docs/exporting.md': (ABSTRACT, 'tests/export/test_exporting.py'),
    'docs/fine-tuning.md': ('tests/tools/test_fine_tuning.py',) * 2,
    'docs/heads.md': ('tests/heads/test_stock_heads.py',),
    'docs/in-your-project.md': (HERE, HERE),
    'docs/installing.md': (
        NETWORK,
        'tests/test_packaging.py',
        'tests/test_packaging.py',
        'tests/command/test_command.py',
    ),
    'docs/looking.md': (
        'tests/tools/test_browse.py',
        ABSTRACT,
        'tests/tools/test_log_to.py',
        ABSTRACT,
    ),
    'docs/performance.md': (LONG, LONG, LONG, LONG, HERE),
    'docs/plain-vits.md': (HERE,),
    'docs/predicting.md': (
        'tests/tools/test_infer.py',
        'tests/predict/test_predictor.py',
    ),
    'docs/pretraining.md': (
        LONG,
        'tests/tools/test_pretraining.py',
        ABSTRACT,
        COCO,
    ),
    'docs/scaling.md': (NODES, NODES, NODES),
    'docs/tuning.md': (HERE, LONG, HERE),
    'docs/your-own-data.md': ('tests/tools/test_new_project.py',) * 3,
}
REASONS = {COCO, LONG, NODES, NETWORK, ABSTRACT, EXCERPT}
FENCE = re.compile(r'^( *)```(\S*)\n(.*?)^\1```$', re.DOTALL | re.MULTILINE)
SHELL = {'sh', 'bash'}


class Block(NamedTuple):
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    """Those of a page that are code."""
    found = FENCE.findall(page.read_text())
    return [
        Block(language, code)
        for _, language, code in found
        if language not in {'text', '{eval-rst}'}
    ]


def commands(page: Path) -> Iterator[list[str]]:
    """Every command of a page, as words; without variables before it."""
    for language, code in blocks(page):
        if language not in SHELL:
            continue
        for line in code.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r'[A-Z_]+=.*|time', words[0]):
                words = words[1:]
            if words:
                yield words


@cache
def options(tool: Path, *command: str) -> frozenset[str]:
    """What the help of a tool, or of a command of it, names."""
    told, argv = StringIO(), sys.argv
    sys.argv = [str(tool), *command, '--help']
    try:
        with redirect_stdout(told), pytest.raises(SystemExit) as ending:
            run_path(str(tool), run_name='told')['main']()
    finally:
        sys.argv = argv
    assert not ending.value.code
    return frozenset(re.findall(r'--[\w-]+', told.getvalue()))


def tool_of(words: list[str]) -> tuple[Path | None, list[str]]:
    """The file that a command runs, and what it is given."""
    program = Path(words[0]).name
    if program == 'python' and words[1].startswith('tools/'):
        return ROOT / words[1], words[2:]
    if program == 'vitdense' and words[1] in OF_TOOLS:
        return ROOT / f'tools/{FILES.get(words[1], words[1])}.py', words[2:]
    if words[0].startswith('tools/'):  # a script that starts processes
        assert (ROOT / words[0]).is_file()
        name = 'test' if 'test' in words[0] else 'train'
        return ROOT / f'tools/{name}.py', words[1:]
    return None, words


def wrong(words: list[str]) -> Iterator[str]:
    """What a command names that there is not."""
    program = Path(words[0]).name
    if program == 'make':
        targets = re.findall(
            r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE
        )
        yield from (t for t in words[1:] if t not in targets)
    if program == 'vitdense' and words[1] not in {*OF_TOOLS, *OWN}:
        yield words[1]
    tool, given = tool_of(words)
    if tool is None:
        return
    if not tool.is_file():
        yield str(tool)
        return
    command = given[:1] if tool.stem == 'benchmark' else []
    known = options(tool, *command)
    asked = [w.partition('=')[0] for w in given if w.startswith('--')]
    yield from (option for option in asked if option not in known)
    if program == 'vitdense' and given and not given[0].startswith('--'):
        find_config(given[0])
    yield from unread(given)


def unread(given: list[str]) -> Iterator[str]:
    """Keys of ``--cfg-options`` that the config before them has not."""
    if '--cfg-options' not in given or not given[0].startswith('configs/'):
        return
    cfg = Config.fromfile(ROOT / given[0])
    for pair in given[given.index('--cfg-options') + 1 :]:
        key = pair.partition('=')[0]
        parent, _, last = key.rpartition('.')
        at: Any = cfg
        for name in parent.split('.'):
            at = at.get(name)
        if at is None and parent.endswith('init_cfg'):
            continue  # which is made by this
        if at is None or (last not in at and 'init_cfg' not in key):
            yield key


@pytest.mark.parametrize('page', PAGES, ids=ids)
def test_every_block_is_accounted_for(page: Path) -> None:
    told = BLOCKS.get(ids(page), ())
    found = blocks(page)
    shown = [block.code.splitlines()[0] for block in found]
    assert len(told) == len(found), shown
    for how, block in zip(told, found, strict=True):
        if how == HERE:
            assert block.language not in SHELL
        elif how not in REASONS:
            assert (ROOT / how).is_file(), how
        else:
            assert (how == EXCERPT) == (block.language not in SHELL), block


@pytest.mark.parametrize('page', PAGES, ids=ids)
def test_commands_name_what_there_is(page: Path) -> None:
    assert [
        (words, each) for words in commands(page) for each in wrong(words)
    ] == []


def test_what_there_is_not_is_found() -> None:
    def of(line: str) -> list[str]:
        return list(wrong(shlex.split(line)))

    config = 'configs/quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes.py'
    assert of('make tables nothing') == ['nothing']
    assert of('vitdense gone') == ['gone']
    assert of('python tools/gone.py') == [str(ROOT / 'tools/gone.py')]
    assert of('python tools/train.py CONFIG --resume --gone=1') == ['--gone']
    assert of('python tools/benchmark.py accuracy --size 3 --json a') == [
        '--size'
    ]
    assert of(
        f'python tools/train.py {config} --cfg-options model.gone=1 '
        'model.backbone.with_cp=True model.neck.num_outs=4'
    ) == ['model.gone', 'model.backbone.with_cp']
    with pytest.raises(FileNotFoundError):
        of('vitdense train mask-rcnn_gone')


HERE_BLOCKS = [
    pytest.param(block.code, id=f'{page}-{number}')
    for page, told in BLOCKS.items()
    for number, (how, block) in enumerate(
        zip(told, blocks(ROOT / page), strict=False)
    )
    if how == HERE
]


@pytest.mark.parametrize('code', HERE_BLOCKS)
def test_python_of_the_pages(code: str, tmp_path: Path) -> None:
    """Configs are read, their parts built, and all else is run."""
    if '_base_' in code:
        (tmp_path / 'own.py').write_text(code)
        assert Config.fromfile(tmp_path / 'own.py').model
        return
    names: dict[str, Any] = {'torch': torch, 'vitdense': vitdense}
    if 'Timm' in code:
        import_timm()
    with torch.device('meta'):
        exec(code, names)
        if 'neck' in names and 'type' in names['neck']:
            MODELS.build(names['neck'])
        if isinstance(names.get('backbone'), dict):
            built = MODELS.build(names['backbone'])
            wanted = names.get('neck', {}).get('in_channels')
            assert wanted in (None, list(built.out_channels))
    if 'optim_wrapper' in names:
        constructor = names['optim_wrapper'].pop('constructor')
        assert OPTIM_WRAPPER_CONSTRUCTORS.get(constructor)
