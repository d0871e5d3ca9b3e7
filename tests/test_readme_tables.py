"""The tables of configs/**/README.md say what metafiles and configs say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
READMES = sorted(path.parent / 'README.md' for path in CONFIGS.glob('*/*.yml'))
METAFILE = yaml.safe_load("""
Collections: [{Name: New}, {Name: Old}]
Models:
  - {Name: net_b_coco, In Collection: Old, Metadata: {Parameters: 2.0}}
  - Name: net_a_coco
    In Collection: Old
    Metadata: {Parameters: 10.5}
    Results: [{Metrics: {box AP: 40}}, {Metrics: {mask AP: 3.0}}]
  - {Name: net_c_coco, In Collection: New, Metadata: {Parameters: 99.0}}
""")


@pytest.fixture(scope='module')
def tables() -> ModuleType:
    path = ROOT / '.ci' / 'model_tables.py'
    spec = importlib.util.spec_from_file_location('model_tables', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('readme', READMES, ids=lambda p: p.parent.name)
def test_tables_are_those_of_the_metafile(
    readme: Path, tables: ModuleType
) -> None:
    assert readme.read_text() == tables.generated(readme), 'make tables'


@pytest.mark.parametrize('readme', READMES, ids=lambda p: p.parent.name)
def test_no_table_of_figures_is_written_by_hand(
    readme: Path, tables: ModuleType
) -> None:
    text = readme.read_text()
    generated = len(tables.TABLE.findall(text))
    assert generated == text.count('<!-- table') > 0
    by_hand = tables.TABLE.sub('', text)
    assert not re.search(r'^\|.*\d\.\d', by_hand, re.MULTILINE)


def test_rows_columns_and_blanks(tables: ModuleType) -> None:
    comment = (
        'params: net_{}_coco, Parameters\n'
        'AP: net_{}_coco, box AP\nmask: net_{}_coco, mask AP\n'
    )
    assert tables.table(comment, METAFILE) == (
        '| backbone | params | AP | mask |\n| --- | --- | --- | --- |\n'
        '| `c` | 99.00 | | |\n| `b` | 2.00 | | |\n| `a` | 10.50 | 40 | 3.0 |\n'
    )


@pytest.mark.parametrize(
    ('comment', 'told'),
    [
        ('AP: nat_{}_coco, box AP\n', "no model 'nat_{}_coco' has a figure"),
        ('AP: net_{}_coco, box ap\n', "has a figure 'box ap'"),
        ('AP: net_{}_coco\n', 'is not'),
    ],
)
def test_a_column_of_nothing_is_refused(
    comment: str, told: str, tables: ModuleType
) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        tables.table(comment, METAFILE)


RECIPE = re.compile(
    r'^\| `(?P<name>\S+)` \| (?P<rate>\S+)(?: / (?P<less>\S+))?, '
    r'(?P<decay>[^\s,]+)(?P<spared> \*)?(?:, (?P<part>\w+) x (?P<times>\S+))? '
    r'\| (?P<length>\d+) (?:epochs|iterations), (?P<course>.+?) '
    r'\| (?P<gpus>\d+) x (?P<images>\d+) \|',
    re.MULTILINE,
)

# of another recipe, whose schedule they have, for other levels; ViTDet's has
# a schedule of its own
VARIANT = re.compile(r'shapes|\d-levels|patch-14|taps|(?<!rcnn)_sfp')


def course(scheduler: dict[str, Any]) -> str:
    """How the table calls the scheduler that follows the warm-up."""
    if scheduler['type'] == 'MultiStepLR':
        return f'steps at {" and ".join(map(str, scheduler["milestones"]))}'
    if scheduler['type'] == 'CosineAnnealingLR':
        return f'cosine from {scheduler["begin"]} on'
    assert scheduler['type'] == 'PolyLR'
    if scheduler['power'] == 1:
        return f'linear after {scheduler["begin"]} of warm-up'
    return f'polynomial of power {scheduler["power"]}'


def test_recipes_are_those_of_the_configs() -> None:
    rows = list(RECIPE.finditer((CONFIGS / 'README.md').read_text()))
    recipes = {
        path.stem: Config.fromfile(path, import_custom_modules=False)
        for path in (CONFIGS / '_base_' / 'recipes').glob('*.py')
        if not VARIANT.search(path.stem)
    }
    assert {row['name'] for row in rows} == set(recipes)
    for row in rows:
        cfg = recipes[row['name']]
        optimizer, last = cfg.optim_wrapper.optimizer, cfg.param_scheduler[-1]
        rate = float(row['rate']) / float(row['less'] or 1)
        assert optimizer.lr == pytest.approx(rate), row['name']
        assert optimizer.weight_decay == float(row['decay'])
        paramwise = cfg.optim_wrapper.get('paramwise_cfg', {})
        spared = paramwise.get('norm_decay_mult') == 0
        # by layers: of matrices and kernels alone
        spared = spared or 'LayerDecay' in cfg.optim_wrapper.get(
            'constructor', ''
        )
        assert bool(row['spared']) == spared
        factors = {
            part: settings.lr_mult
            for part, settings in paramwise.get('custom_keys', {}).items()
            if settings.get('lr_mult', 1) != 1
        }
        told = {row['part']: float(row['times'])} if row['part'] else {}
        assert factors == told, row['name']
        loop = cfg.train_cfg
        length = loop.get('max_epochs') or loop.max_iters
        assert length == int(row['length']) == last.end
        images = int(row['images'])
        assert cfg.train_dataloader.batch_size == images
        total = cfg.auto_scale_lr.base_batch_size
        assert total == images * int(row['gpus'])
        assert row['course'] == course(last)
