"""The tables of docs/heads.md: what works with which family, or why not."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from stock_heads.kinds import LIBRARIES, Kind, files
from stock_heads.levels import FAMILIES
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


def kept() -> dict[str, dict[str, str]]:
    """What the page says of every kind."""
    text = PAGE.read_text()
    reasons = re.findall(
        r'^\d+\. (.+)$', text.partition('## Why not')[2], re.MULTILINE
    )
    found: dict[str, dict[str, str]] = {}
    for library, name, _, cells in ROW.findall(text):
        pairs = zip(FAMILIES, cells.split(' | '), strict=True)
        found[f'{library}/{name}'] = {
            family: WORKS if cell == 'yes' else reasons[int(cell) - 1]
            for family, cell in pairs
            if cell != '?'
        }
    return found


class Page:
    """The tables of results, and the reasons that they number.

    Args:
        kinds: All that there are.
        results: What came of them; some may not have been tried.
    """

    def __init__(self, kinds: list[Kind], results: Results) -> None:
        self.kinds = kinds
        self.results = results
        self.reasons: list[str] = []

    def _result(self, kind: Kind, family: str) -> str | None:
        key = f'{kind.library}/{kind.name}'
        return self.results.get(key, {}).get(family)

    def _cell(self, kind: Kind, family: str) -> str:
        result = self._result(kind, family)
        if result is None:
            return '?'
        if result == WORKS:
            return 'yes'
        if result not in self.reasons:
            self.reasons.append(result)
        return str(self.reasons.index(result) + 1)

    def _table(self, kinds: list[Kind]) -> Iterator[str]:
        yield f'| config tried | of its kind | {" | ".join(FAMILIES)} |'
        yield f'| --- | ---: |{" --- |" * len(FAMILIES)}'
        for kind in kinds:
            cells = ' | '.join(self._cell(kind, f) for f in FAMILIES)
            name = f'{kind.library}/{kind.name}'
            yield f'| `{name}` | {kind.configs} | {cells} |'

    def _counts(self, library: str) -> str:
        """A row: how many of a library's work with each family."""
        own = [
            kind
            for kind in self.kinds
            if kind.library == library
            and self._result(kind, 'PVT') not in FOREIGN.values()
        ]
        works = [
            [kind for kind in own if self._result(kind, family) == WORKS]
            for family in FAMILIES
        ]
        cells = [
            f'{len(some)} ({sum(kind.configs for kind in some)})'
            for some in (*works, own)
        ]
        return f'| {library} | {" | ".join(cells)} |'

    def lines(self) -> Iterator[str]:
        """What stands below ``BEGIN``."""
        yield from ('', '## How many', '')
        yield 'Kinds that work, and how many configs are of these kinds:'
        yield ''
        yield f'| | {" | ".join(FAMILIES)} | of all for images alone |'
        yield f'| --- |{" ---: |" * (len(FAMILIES) + 1)}'
        for library in LIBRARIES:
            yield self._counts(library)
        for library, name in DISTRIBUTIONS.items():
            own = [k for k in self.kinds if k.library == library]
            configs, total = sum(k.configs for k in own), len(files(library))
            yield from ('', f'## {library}', '')
            yield (
                f'{name} {version(name)} ships {total} configs: {configs} of '
                f'{len(own)} kinds, and {total - configs} without a model, or '
                'of a base that is not shipped. Numbers are reasons.'
            )
            yield ''
            yield from self._table(own)
        yield from ('', '## Why not', '')
        for number, reason in enumerate(self.reasons, 1):
            yield f'{number}. {reason}'


def write(kinds: list[Kind], results: Results) -> None:
    """Into the page, below what is written by hand."""
    before = PAGE.read_text().partition(BEGIN)[0]
    made = '\n'.join(Page(kinds, results).lines())
    PAGE.write_text(f'{before}{BEGIN}{made}\n')
