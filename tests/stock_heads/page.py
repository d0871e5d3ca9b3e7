"""The tables of docs/heads.md: what works with which family, or why not."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from stock_heads.fit import FAMILIES
from stock_heads.kinds import LIBRARIES, Kind, files
from stock_heads.reasons import FOREIGN
from stock_heads.trial import WORKS

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'heads.md'
BEGIN = '<!-- what follows is written by `make heads` -->\n'
DISTRIBUTIONS = {
    'mmdet': 'onedl-mmdetection',
    'mmseg': 'onedl-mmsegmentation',
}
ROW = re.compile(r'^\| `(\w+)/(\S+)` \| (\d+) \| (.+) \|$', re.MULTILINE)
Results = Mapping[str, Mapping[str, str]]
"""By a config's ``library/name``: by family, WORKS or a reason."""


class Row(NamedTuple):
    """A kind of the page, and the families that it works with."""

    kind: Kind
    works: frozenset[str]


def rows() -> list[Row]:
    """Those of the page."""
    found = []
    for library, name, configs, cells in ROW.findall(PAGE.read_text()):
        pairs = zip(FAMILIES, cells.split(' | '), strict=True)
        works = frozenset(f for f, cell in pairs if cell == 'yes')
        found.append(Row(Kind(library, name, int(configs)), works))
    return found


def _table(kinds: list[Kind], results: Results, reasons: list[str]) -> str:
    lines = [
        f'| config tried | of its kind | {" | ".join(FAMILIES)} |',
        f'| --- | ---: |{" --- |" * len(FAMILIES)}',
    ]
    for kind in kinds:
        key = f'{kind.library}/{kind.name}'
        cells = []
        for family in FAMILIES:
            result = results[key][family]
            if result != WORKS and result not in reasons:
                reasons.append(result)
            cells.append(
                'yes' if result == WORKS else f'{reasons.index(result) + 1}'
            )
        lines.append(f'| `{key}` | {kind.configs} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _foreign(result: Mapping[str, str]) -> bool:
    return all(why in FOREIGN.values() for why in result.values())


def text(kinds: list[Kind], results: Results) -> str:
    """What stands below ``BEGIN``."""
    reasons: list[str] = []
    parts = [
        '## How many\n',
        'Kinds that work, and configs of these kinds:\n',
        f'| | {" | ".join(FAMILIES)} | of |\n'
        f'| --- |{" ---: |" * (len(FAMILIES) + 1)}',
    ]
    tables = []
    for library in LIBRARIES:
        own = [k for k in kinds if k.library == library]
        there = [
            k for k in own if not _foreign(results[f'{library}/{k.name}'])
        ]
        cells = [library]
        for family in FAMILIES:
            fit = [
                k
                for k in there
                if results[f'{library}/{k.name}'][family] == WORKS
            ]
            cells.append(f'{len(fit)} ({sum(k.configs for k in fit)})')
        cells.append(f'{len(there)} ({sum(k.configs for k in there)})')
        parts.append(f'| {" | ".join(cells)} |')
        name = DISTRIBUTIONS[library]
        configs, total = sum(k.configs for k in own), len(files(library))
        tables += [
            f'\n## {library}\n',
            f'{name} {version(name)} ships {total} configs: {configs} of '
            f'{len(own)} kinds, and {total - configs} without a model, or of '
            'a base that it does not ship.\n',
            _table(own, results, reasons),
        ]
    numbered = [f'{i}. {why}' for i, why in enumerate(reasons, 1)]
    return '\n'.join(
        [*parts, *tables, '\n## Why not\n', *numbered, '']
    ).replace('\n\n\n', '\n\n')


def write(kinds: list[Kind], results: Results) -> None:
    """Into the page, below what is written by hand."""
    before = PAGE.read_text().partition(BEGIN)[0]
    PAGE.write_text(f'{before}{BEGIN}\n{text(kinds, results)}')
