"""Write the tables of configs/*/README.md from the metafile beside each.

Usage: python .ci/model_tables.py [--check], in any folder. A table is the
rows that follow a comment, which has one line for each column:

    <!-- table
    RetinaNet box AP: retinanet_{}_fpn_1x_coco, box AP
    -->

A column is a title, the names of its models, and the figure of theirs that
is shown: 'Parameters' (millions) or another field of their metadata, a metric
of their results, or 'channels', those of the levels. A row is what stands
for {} in those names. A model that has no such figure leaves a blank.
"""

import argparse
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
COLUMN = re.compile(r'(.+): (\S+), (.+)')
TABLE = re.compile(r'(<!-- table\n((?:.+\n)*?)-->\n)(?:\|.*\n)*')


def figures(model: dict[str, Any], row: str) -> dict[str, Any]:
    """All that can be shown of one model of a metafile."""
    found = dict(model['Metadata'])
    for result in model.get('Results', ()):
        found |= result['Metrics']
    base = CONFIGS / '_base_' / 'backbones' / f'{row}.py'
    if base.is_file():
        channels = runpy.run_path(str(base))['out_channels']
        found['channels'] = ', '.join(map(str, channels))
    return found


def shown(name: str, value: object) -> str:
    """A figure as it is written: parameters to 10 000, others to 0.1."""
    if isinstance(value, float):
        return f'{value:.{2 if name.endswith("Parameters") else 1}f}'
    return str(value)


def table(comment: str, metafile: dict[str, Any]) -> str:
    """The rows of one table, by collection and then by parameters.

    Raises:
        ValueError: If a line is no column, or a column would be empty.
    """
    columns = []
    for line in comment.splitlines():
        column = COLUMN.fullmatch(line)
        if column is None:
            raise ValueError(f"{line!r} is not 'TITLE: NAMES, FIGURE'")
        columns.append(column.groups())
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
    first = 'config' if names == '{}' else 'backbone'
    head = [first, *(title for title, *_ in columns)]
    lines = [head, ['---'] * len(head)]
    for row in sorted(order, key=order.__getitem__):
        values = [cells.get((row, title), '') for title in head[1:]]
        if any(values):
            lines.append([f'`{row}`', *values])
    return ''.join(
        '|' + ''.join(f' {cell} |' if cell else ' |' for cell in line) + '\n'
        for line in lines
    )


def generated(readme: Path) -> str:
    """The text of a README with its tables made anew."""
    metafile = yaml.safe_load((readme.parent / 'metafile.yml').read_text())

    def replacement(match: re.Match[str]) -> str:
        return match[1] + table(match[2], metafile)

    return TABLE.sub(replacement, readme.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--check', action='store_true', help='change nothing, fail instead'
    )
    check = parser.parse_args().check
    stale = 0
    for metafile in sorted(CONFIGS.glob('*/metafile.yml')):
        readme = metafile.with_name('README.md')
        text = generated(readme)
        if text != readme.read_text():
            print(f'{readme}: tables {"differ" if check else "written"}')
            stale += 1
            if not check:
                readme.write_text(text)
    return min(stale, 1) if check else 0


if __name__ == '__main__':
    sys.exit(main())
