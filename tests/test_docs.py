"""Documentation names what there is: links, paths, folders, archs, figures."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from interpreter import ROOT

from vitdense import backbones
from vitdense.backbones.pyramid import PyramidBackbone

README = ROOT / 'README.md'
PERFORMANCE = ROOT / 'docs' / 'performance.md'
PAGES = (
    README,
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').glob('*.md')),
    *sorted((ROOT / 'configs').rglob('README.md')),
)
FENCE = re.compile(r'^```.*?^```$', re.DOTALL | re.MULTILINE)
CODE = re.compile(r'(`+)(.+?)\1', re.DOTALL)
LINK = re.compile(r'(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)')
# A path of the repository in code: begins with one of its folders.
PATH = re.compile(
    r'(?<![\w./<>$:-])'
    r'(?:vitdense|configs|tools|tests|docs|requirements|\.ci)/'
    r'(?:\{[^{}`]*\}|[^\s`\'",;:()|{}\\])*'
)
INHERITED = re.compile(r'vitdense::([\w./-]+\.py)')


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    found: set[str] = set()
    text = FENCE.sub('', page.read_text())
    for heading in re.findall(r'^#+ (.+?)\s*$', text, re.MULTILINE):
        shown = LINK.sub(lambda m: m[0][1 : m[0].index(']')], heading)
        slug = re.sub(r'[^\w\- ]', '', shown.lower()).replace(' ', '-')
        unique, count = slug, 0
        while unique in found:
            count += 1
            unique = f'{slug}-{count}'
        found.add(unique)
    return found


def broken_links(page: Path) -> Iterator[str]:
    text = CODE.sub('', FENCE.sub('', page.read_text()))
    for target in LINK.findall(text):
        if re.match(r'\w+:', target):
            continue
        name, _, anchor = target.partition('#')
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f'{target}: there is no {name}'
        elif anchor and anchor not in anchors(path):
            yield f'{target}: there is no such heading'


def exists(path: str) -> bool:
    """Whether something is there, ``<name>`` and ``*`` standing for any."""
    braces = re.search(r'\{([^{}]*)\}', path)
    if braces:
        begin, end = path[: braces.start()], path[braces.end() :]
        return all(exists(begin + c + end) for c in braces[1].split(','))
    found = list(ROOT.glob(re.sub(r'<\w+>', '*', path.rstrip('/'))))
    if path.endswith('/'):
        return any(each.is_dir() for each in found)
    return bool(found)


def code_of(text: str) -> Iterator[str]:
    """Code in the text: blocks, and what stands in backticks."""
    yield from FENCE.findall(text)
    for match in CODE.finditer(FENCE.sub('', text)):
        yield match[2]


def missing_paths(page: Path) -> Iterator[str]:
    text = page.read_text()
    for code in code_of(text):
        yield from (p for p in PATH.findall(code) if not exists(p))
        inherited = (f'configs/{p}' for p in INHERITED.findall(code))
        yield from (p for p in inherited if not exists(p))
    # `vitdense/layers`, `backbones`: neighbours in the first cell of a table
    for cell in re.findall(r'^\| (`\w+/[^|]*) \|', text, re.MULTILINE):
        first, *others = re.findall(r'`([^`]+)`', cell)
        parent = first.rpartition('/')[0]
        for name in others:
            if '/' not in name and not exists(f'{parent}/{name}'):
                yield f'{parent}/{name}'


@pytest.mark.parametrize('page', PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize('page', PAGES, ids=ids)
def test_paths_are_there(page: Path) -> None:
    assert list(missing_paths(page)) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '# One `code`, two\n\n## One code, two\n'
        '[a](#one-code-two) [b](#one-code-two-1) [c](page.md#one-code-two)\n'
        '[d](#one-code) [e](gone.md) [f](page.md#gone) [g](http://x.y/z)\n'
        '`tools/train.py` `tools/gone.py` `vitdense/layers/*.py` `vitdense/`\n'
        '`vitdense/backbones/<family>/model.py` `vitdense/<name>/gone.py`\n'
        '`configs/{pvt,cvt}/README.md` `configs/{pvt,gone}/README.md`\n'
        "`_base_ = 'vitdense::pvt/gone.py'` `vitdense::convolve`\n"
        '`tools/train.py/` tools/word.py `work_dirs/tools/mine.py`\n\n'
        '```sh\npython tools/test.py configs/gone.py --out tests/\n```\n\n'
        '| `vitdense/layers`, `backbones`, `nowhere` | `anything` |\n'
    )
    assert [each.partition(':')[0] for each in broken_links(page)] == [
        '#one-code',
        'gone.md',
        'page.md#gone',
    ]
    assert list(missing_paths(page)) == [
        'configs/gone.py',
        'tools/gone.py',
        'vitdense/<name>/gone.py',
        'configs/{pvt,gone}/README.md',
        'configs/pvt/gone.py',
        'tools/train.py/',
        'vitdense/nowhere',
    ]


def test_every_page_is_in_the_index() -> None:
    listed = LINK.findall((ROOT / 'docs' / 'README.md').read_text())
    folder = ROOT / 'docs'
    pages = {p.name for p in (*folder.glob('*.md'), *folder.glob('*.ipynb'))}
    assert pages - {'README.md'} == {
        name for name in listed if '/' not in name
    }


def test_every_folder_of_the_package_is_in_the_house() -> None:
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    named = {path.split('/')[1] for path in PATH.findall(text)}
    folders = {
        path.parent.name for path in (ROOT / 'vitdense').glob('*/__init__.py')
    }
    assert folders <= named


def rows(text: str, header: str) -> list[list[str]]:
    """The cells of a table, row by row, by how its first line begins."""
    after = text[text.index(header) :].splitlines()[2:]
    table = takewhile(lambda line: line.startswith('|'), after)
    return [[cell.strip() for cell in row[1:-1].split('|')] for row in table]


def test_backbones_of_the_readme_are_those_there_are() -> None:
    shown = rows(README.read_text(), '| type | arch |')
    assert {
        name.strip('`'): (archs.strip('`').split(), strides)
        for name, archs, strides in shown
    } == {
        f'vitdense.{name}': (
            list(cls.family.archs),
            ', '.join(map(str, cls(next(iter(cls.family.archs))).out_strides)),
        )
        for name, cls in vars(backbones).items()
        if isinstance(cls, type) and issubclass(cls, PyramidBackbone)
    }


def test_speed_in_the_readme_is_that_of_the_performance_page() -> None:
    header = '| what | against |'
    measured = {
        (what, against): [
            ratio[0] if (ratio := re.search(r'\d+\.\d+ x', cell)) else ''
            for cell in cells[:3]
        ]
        for what, against, *cells in rows(PERFORMANCE.read_text(), header)
    }
    shown = rows(README.read_text(), header)
    assert shown
    for what, against, *ratios in shown:
        assert measured[what, against] == ratios
