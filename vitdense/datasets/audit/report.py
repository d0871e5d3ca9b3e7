"""Tells what was found: a table for people, JSON for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vitdense.datasets.audit.kinds import ERROR, KINDS, WARNING, Finding
from vitdense.datasets.audit.sets import Checked

MAX_EXAMPLES = 3
MAX_PLACE = 60
MAX_DETAIL = 100
HEAD = ('severity', 'finding', 'count', 'data set', 'first')


@dataclass(frozen=True)
class Group:
    """All findings of one kind in one data set."""

    place: str
    kind: str
    findings: Sequence[Finding]

    @property
    def severity(self) -> str:
        """How bad they are."""
        return KINDS[self.kind].severity


class Report:
    """What was found in some data sets, errors first."""

    def __init__(self, checked: Sequence[Checked]) -> None:
        self.checked = checked
        self.groups = sorted(_groups(checked), key=_rank)

    def count(self, severity: str) -> int:
        """How many findings have a severity."""
        return sum(
            len(each.findings)
            for each in self.groups
            if each.severity == severity
        )

    def fails(self, strict: bool) -> bool:
        """Whether there are errors, or if strict, warnings."""
        return bool(self.count(ERROR) or (strict and self.count(WARNING)))

    def __str__(self) -> str:
        lines = [
            f'{each.data.place}: {each.data.describe()}'
            for each in self.checked
        ]
        if self.groups:
            lines += ['', *_table(self.groups), '']
        errors, warnings = self.count(ERROR), self.count(WARNING)
        return '\n'.join([*lines, f'{errors} errors, {warnings} warnings'])

    def to_json(self) -> dict[str, Any]:
        """Everything that was found, as JSON has it."""
        return {
            'errors': self.count(ERROR),
            'warnings': self.count(WARNING),
            'data_sets': [
                {'place': each.data.place, 'has': each.data.describe()}
                for each in self.checked
            ],
            'findings': [
                {
                    'finding': group.kind,
                    'severity': group.severity,
                    'meaning': KINDS[group.kind].meaning,
                    'data_set': group.place,
                    'count': len(group.findings),
                    'found': [_entry(each) for each in group.findings],
                }
                for group in self.groups
            ],
        }


def _groups(checked: Sequence[Checked]) -> Iterator[Group]:
    for each in checked:
        ordered = sorted(each.findings, key=lambda finding: finding.kind)
        for kind, found in groupby(ordered, lambda finding: finding.kind):
            yield Group(each.data.place, kind, list(found))


def _rank(group: Group) -> tuple[bool, int]:
    return group.severity != ERROR, list(KINDS).index(group.kind)


def _entry(finding: Finding) -> dict[str, Any]:
    entry: dict[str, Any] = {'place': finding.place, 'detail': finding.detail}
    if finding.id is not None:
        plain = isinstance(finding.id, int | str)
        entry['id'] = finding.id if plain else repr(finding.id)
    return entry


def _table(groups: Sequence[Group]) -> Iterator[str]:
    rows = [HEAD]
    for group in groups:
        first, *others = map(_brief, group.findings[:MAX_EXAMPLES])
        count = str(len(group.findings))
        rows.append((group.severity, group.kind, count, group.place, first))
        rows += [('', '', '', '', other) for other in others]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if name == 'count' else cell.ljust(width)
            for name, cell, width in zip(HEAD, row, widths, strict=True)
        ]
        yield '  '.join(cells).rstrip()


def _brief(finding: Finding) -> str:
    """In a line: of a long path the end, of a long detail the beginning."""
    place, detail = finding.place, finding.detail
    if len(place) > MAX_PLACE:
        place = f'...{place[-MAX_PLACE:]}'
    if len(detail) > MAX_DETAIL:
        detail = f'{detail[:MAX_DETAIL]}...'
    return str(finding._replace(place=place, detail=detail))
