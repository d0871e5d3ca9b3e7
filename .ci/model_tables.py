"""Write the tables of models' figures from the metafiles.

Usage: python .ci/model_tables.py [--check], in any folder. A table is the
rows that follow a comment, which has one line for each column:

    <!-- table
    RetinaNet box AP: retinanet_{}_fpn_1x_coco, box AP
    -->

In configs/*/README.md models are those of the metafile beside it, in other
pages those of all metafiles.

A column is a title, the names of its models, and the figure of theirs that
is shown: 'Parameters' (millions) or another field of their metadata, a metric
of their results, or 'channels', those of the levels. A row is what stands
for {} in those names. A model that has no such figure leaves a blank.
A first line 'rows: NAME NAME ...' leaves out all others, and is their order.
"""

import argparse
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
BACKBONES = CONFIGS / '_base_' / 'backbones'
COLUMN = re.compile(r'(.+): (\S+), (.+)')
TABLE = re.compile(r'(<!-- table\n((?:.+\n)*?)-->\n)(?:\|.*\n)*')


def figures(model: dict[str, Any], row: str) -> dict[str, Any]:
    """All that can be shown of one model of a metafile."""
    found = dict(model['Metadata'])
    for result in model.get('Results', ()):
        found |= result['Metrics']
    base = BACKBONES / f'{row}.py'
    if base.is_file():
        channels = runpy.run_path(str(base))['out_channels']
        found['channels'] = ', '.join(map(str, channels))
    return found


def shown(name: str, value: object) -> str:
    """A figure as it is written: of size to 0.01, others to 0.1."""
    if isinstance(value, float):
        fine = name == 'GMAC' or name.endswith('Parameters')
        return f'{value:.{2 if fine else 1}f}'
    return str(value)


def asked(comment: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The rows that a comment chooses, if any, and its columns.

    Raises:
        ValueError: If a line is no column.
    """
    rows, lines = [], comment.splitlines()
    if lines[0].startswith('rows: '):
        rows = lines.pop(0).split()[1:]
    columns = []
    for line in lines:
        column = COLUMN.fullmatch(line)
        if column is None:
            raise ValueError(f"{line!r} is not 'TITLE: NAMES, FIGURE'")
        columns.append((column[1], column[2], column[3]))
    return rows, columns


def table(comment: str, metafile: dict[str, Any]) -> str:
    """The rows of one table, by collection and then by parameters.

    Raises:
        ValueError: If a line is no column, or a column or row would be empty.
    """
    rows, columns = asked(comment)
    collections = [entry['Name'] for entry in metafile['Collections']]
    order: dict[str, tuple[int, float]] = {}
    cells: dict[tuple[str, str], str] = {}
    for title, names, figure in columns:
        pattern = re.escape(names).replace(r'\{\}', '(.+)')
        for model in metafile['Models']:
            match = re.fullmatch(pattern, model['Name'])
            if match is None:
                continue
            found = figures(model, match[1])
            place = collections.index(model['In Collection'])
            order.setdefault(match[1], (place, found['Parameters']))
            if figure in found:
                cells[match[1], title] = shown(figure, found[figure])
        if not any(column == title for _, column in cells):
            raise ValueError(f'no model {names!r} has a figure {figure!r}')
    if not order.keys() >= set(rows):
        raise ValueError(f'no model for some of the rows {rows}')
    first = 'config' if names == '{}' else 'backbone'
    head = [first, *(title for title, *_ in columns)]
    lines = [head, ['---'] * len(head)]
    for row in rows or sorted(order, key=order.__getitem__):
        values = [cells.get((row, title), '') for title in head[1:]]
        if any(values):
            lines.append([f'`{row}`', *values])
    return ''.join(
        '|' + ''.join(f' {cell} |' if cell else ' |' for cell in line) + '\n'
        for line in lines
    )


def metafile_of(page: Path) -> dict[str, Any]:
    """The metafile beside a page, or all in one."""
    own = page.with_name('metafile.yml')
    paths = [own] if own.is_file() else all_metafiles()
    read = [yaml.safe_load(path.read_text()) for path in paths]
    return {
        part: [entry for each in read for entry in each[part]]
        for part in ('Collections', 'Models')
    }


def all_metafiles() -> list[Path]:
    """Those of configs, and that of backbones."""
    return [
        *sorted(CONFIGS.glob('*/metafile.yml')),
        BACKBONES / 'metafile.yml',
    ]


def pages() -> list[Path]:
    """All that may have tables of figures."""
    folders = (ROOT, ROOT / 'docs', CONFIGS, *sorted(CONFIGS.glob('*/')))
    return [page for each in folders for page in sorted(each.glob('*.md'))]


def generated(page: Path) -> str:
    """The text of a page with its tables made anew."""

    def replacement(match: re.Match[str]) -> str:
        return match[1] + table(match[2], metafile_of(page))

    return TABLE.sub(replacement, page.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--check', action='store_true', help='change nothing, fail instead'
    )
    check = parser.parse_args().check
    stale = 0
    for page in pages():
        text = generated(page)
        if text != page.read_text():
            print(f'{page}: tables {"differ" if check else "written"}')
            stale += 1
            if not check:
                page.write_text(text)
    return min(stale, 1) if check else 0


if __name__ == '__main__':
    sys.exit(main())
