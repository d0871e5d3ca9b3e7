"""Sections of results between two marks of a Markdown page."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.tables import to_markdown, to_record

BEGIN = '<!-- measured: begin -->'
END = '<!-- measured: end -->'


class ResultsPage:
    """A page and the file of all figures that its sections are made from.

    Args:
        page: Has the two marks; what is between them is replaced.
        results: JSON file; sections that it has from earlier runs are kept.

    Raises:
        ValueError: If the page has no marks or the file is of another kind.
        OSError: If one of them cannot be read.
    """

    def __init__(self, page: Path, results: Path) -> None:
        self._page, self._results = page, results
        self._sections: dict[str, Any] = {}
        text = page.read_text()
        if not 0 <= text.find(BEGIN) < text.find(END):
            raise ValueError(f'{page} has no {BEGIN} with {END} after it')
        if results.is_file():
            try:
                sections = json.loads(results.read_text())['sections']
                self._sections.update(sections)
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f'{results} has no sections of a page of results'
                ) from None

    def write(self, title: str, rows: Sequence[CostRow]) -> None:
        """Writes a section, in the place of an earlier one of that title."""
        self._sections[title] = {
            'about': describe(rows),
            'markdown': to_markdown(rows),
            'rows': [to_record(row) for row in rows],
        }
        self._results.parent.mkdir(parents=True, exist_ok=True)
        file = {'sections': self._sections}
        self._results.write_text(json.dumps(file, indent=1) + '\n')
        lines = [BEGIN, '']
        for name, section in self._sections.items():
            lines += [f'### {name}', '', section['about'], '']
            lines += [*section['markdown'], '']
        before, _, rest = self._page.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        self._page.write_text(before + '\n'.join(lines) + END + after)


def describe(rows: Sequence[CostRow]) -> str:
    """On what, with what and when the rows were measured, in a sentence."""
    machine = next((row.machine for row in rows if row.machine), {})
    parts = [machine.get('accelerator') or machine.get('processor') or '?']
    parts += [' '.join(v) for v in machine.get('versions', {}).items()]
    parts += [f'{k} {machine[k]}' for k in ('cuda', 'cudnn') if k in machine]
    parts += [
        f'{what} of float32 {"in TF32" if allowed else "in full"}'
        for what, allowed in machine.get('tf32', {}).items()
    ]
    batches = sorted({row.settings.batch for row in rows})
    parts.append(f'{" or ".join(map(str, batches))} images a pass')
    return f'{", ".join(parts)}; {date.today()}.'
