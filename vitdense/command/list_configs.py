"""``vitdense configs``: what can be trained at once, and what it reached."""

import argparse
from fnmatch import fnmatch
from typing import Any

import yaml

from vitdense.preflight.cli import OneLineParser, tell_error
from vitdense.preflight.ready_configs import CONFIGS, ready_configs

DESCRIPTION = (
    'Lists the configs that come with vitdense: parameters of the whole model '
    'in millions, and results. Those on Shapes were measured by vitdense; all '
    'others are what the authors of the models published.'
)


def main(args: list[str]) -> int:
    """Print the table; gives the exit code."""
    parser = OneLineParser('vitdense configs', description=DESCRIPTION)
    parser.add_argument(
        'pattern',
        nargs='?',
        default='*',
        help="part of a name, or a pattern such as 'retinanet_*_1x_coco'",
    )
    parser.add_argument(
        '--paths', action='store_true', help='print paths of files alone'
    )
    asked: argparse.Namespace = parser.parse_args(args)
    chosen = _matching(asked.pattern)
    if not chosen:
        tell_error(f'no config is called like {asked.pattern!r}')
        return 2
    if asked.paths:
        ready = ready_configs()
        print('\n'.join(str(ready[name]) for name in chosen))
        return 0
    models = _models()
    rows = [_row(name, models.get(name, {})) for name in chosen]
    width = max(len(name) for name, *_ in rows)
    print(f'{"config":{width}}  {"params, M":>9}  results')
    for name, parameters, results in rows:
        print(f'{name:{width}}  {parameters:>9}  {results}'.rstrip())
    print(f'\n{DESCRIPTION.partition(". ")[2]}')
    return 0


def _matching(pattern: str) -> list[str]:
    if not any(sign in pattern for sign in '*?['):
        pattern = f'*{pattern}*'
    return [
        name
        for name, path in ready_configs().items()
        if fnmatch(f'{path.parent.name}/{name}', pattern)
        or fnmatch(name, pattern)
    ]


def _models() -> dict[str, dict[str, Any]]:
    """What the metafiles say of each config."""
    return {
        model['Name']: model
        for path in sorted(CONFIGS.glob('*/metafile.yml'))
        for model in yaml.safe_load(path.read_text()).get('Models', ())
    }


def _row(name: str, model: dict[str, Any]) -> tuple[str, str, str]:
    parameters = model.get('Metadata', {}).get('Parameters')
    results: dict[str, list[str]] = {}
    for result in model.get('Results') or ():
        results.setdefault(result['Dataset'], []).extend(
            f'{metric} {value}' for metric, value in result['Metrics'].items()
        )
    shown = '' if parameters is None else f'{parameters:.2f}'
    texts = (f'{data}: {", ".join(each)}' for data, each in results.items())
    return name, shown, '; '.join(texts)
