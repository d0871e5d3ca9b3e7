"""Tables of models' figures say what metafiles and configs say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import MODELS
from timm_alone import import_timm

from vitdense.benchmark.cost.flops import count_flops

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


def test_tables_are_those_of_the_metafiles(tables: ModuleType) -> None:
    pages = tables.pages()
    assert {ROOT / 'README.md', CONFIGS / 'README.md', *READMES} <= set(pages)
    assert ROOT / 'docs/performance.md' in pages
    for page in pages:
        assert page.read_text() == tables.generated(page), 'make tables'


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


def test_chosen_rows_in_their_order(tables: ModuleType) -> None:
    comment = 'rows: a c\nparams: net_{}_coco, Parameters\n'
    assert tables.table(comment, METAFILE).splitlines()[2:] == [
        '| `a` | 10.50 |',
        '| `c` | 99.00 |',
    ]


def test_a_chosen_row_of_nothing_is_refused(tables: ModuleType) -> None:
    comment = 'rows: a gone\nparams: net_{}_coco, Parameters\n'
    with pytest.raises(ValueError, match=r"rows .*'gone'"):
        tables.table(comment, METAFILE)


PAGES_OF_ALL = (ROOT / 'README.md', CONFIGS / 'README.md')


@pytest.mark.parametrize('page', PAGES_OF_ALL, ids=lambda p: p.parent.name)
def test_figures_of_size_are_not_written_by_hand(
    page: Path, tables: ModuleType
) -> None:
    text = page.read_text()
    assert len(tables.TABLE.findall(text)) == text.count('<!-- table') > 0
    by_hand = tables.TABLE.sub('', text)
    assert not re.search(
        r'^\|.*(param|GMAC|FLOP|[Mm]AC\b).*\|$', by_hand, re.MULTILINE
    )


BACKBONES = yaml.safe_load(
    (CONFIGS / '_base_/backbones/metafile.yml').read_text()
)['Models']


def test_every_backbone_has_its_size() -> None:
    files = {path.stem for path in CONFIGS.glob('_base_/backbones/*.py')}
    names = {model['Name'].removeprefix('backbones/') for model in BACKBONES}
    assert names == files


@pytest.mark.parametrize(
    'model',
    [
        pytest.param(
            model,
            id=model['Name'],
            marks=() if 'pvt-v2' in model['Name'] else pytest.mark.slow,
        )
        for model in BACKBONES
    ],
)
def test_size_of_a_backbone(model: dict[str, Any]) -> None:
    settings = Config.fromfile(ROOT / model['Config']).backbone
    settings.init_cfg = None
    if settings.type == 'vitdense.Timm':
        import_timm()
    with torch.device('meta'):
        backbone = MODELS.build(settings)
    count = count_flops(backbone, (224, 224))
    size = model['Metadata']
    assert size['Parameters'] == round(count.parameters / 1e6, 2)
    assert size['GMAC'] == pytest.approx(count.macs / 1e9, abs=0.006)


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
