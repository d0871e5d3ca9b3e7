"""Any option works, or is refused with one error that names it."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from designs import DESIGNS
from hypothesis import strategies as st
from mmengine.config import Config
from small_runs import QUICKSTART, SPLITS, small_shapes
from tried import few, many

from vitdense.datasets.shapes import CLASSES
from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.prepared import Prepared
from vitdense.preflight.readers import read_at_top

__all__ = ['small_shapes']

RETINANET = QUICKSTART.parent / 'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
DESIGN = DESIGNS['like-pvt-v2-b0']
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 2.5, 10**12, math.nan, math.inf, '', 'x'),
    *([], {}, [1], ['x'], [None], (0, 9), {'type': 'Nothing'}, {'x': 1}),
)
TIMES = ('', 'x', '10', '10m', '-1s', '0s', 'nanh', 'infd', '1e400s', '1 m')
# Words of no project's own: their place in the code follows.
FROM_A_LIBRARY = re.compile(r' \(\w+ at .+:\d+\)$')
# What changes the task, or is used for code that a case must not run.
LEFT_ALONE = ('default_scope', 'custom_imports', 'launcher')


def places(node: Any, place: str = '') -> Iterator[str]:
    """Every dotted key of a config."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        inner = f'{place}.{key}' if place else str(key)
        yield inner
        mappings = isinstance(value, list) and value
        if isinstance(value, dict) or (
            mappings and isinstance(value[0], dict)
        ):
            yield from places(value, inner)


def keys() -> list[str]:
    cfg = Config.fromfile(RETINANET)
    found = places(cfg._cfg_dict.to_dict())
    top = [key for key in cfg if read_at_top(key, cfg)]
    return [
        key
        for key in found
        if key.partition('.')[0] in top and key not in LEFT_ALONE
    ]


# Settings of the config, known and unknown, and options of tools/train.py.
values = st.sampled_from(ODD)
known = st.tuples(st.sampled_from(keys()), values)
unknown = st.tuples(
    st.builds('{}.{}'.format, st.sampled_from(keys()), st.sampled_from('xyz')),
    values,
)
cases = st.one_of(
    known.map(lambda pair: {'cfg_options': dict([pair])}),
    known.map(lambda pair: {'cfg_options': dict([pair])}),
    known.map(lambda pair: {'cfg_options': dict([pair])}),
    unknown.map(lambda pair: {'cfg_options': dict([pair])}),
    st.fixed_dictionaries({'save_every': st.sampled_from(TIMES)}),
    st.fixed_dictionaries(
        {'resume': st.sampled_from(['', '.', 'x.pth', '/', 'auto'])}
    ),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.booleans()
            for name in ('amp', 'auto_scale_lr', 'compile', 'requeue')
        },
    ),
)


@pytest.fixture(scope='module')
def tiny(tmp_path_factory: pytest.TempPathFactory, small_shapes: Path) -> Path:
    """A config of a detector that is built in no time."""
    cfg = Config.fromfile(RETINANET)
    dims = list(DESIGN.arch['dims'])
    cfg.model.backbone.update(arch=DESIGN.arch, init_cfg=None)
    cfg.model.neck.update(in_channels=dims, out_channels=8)
    cfg.model.bbox_head.update(
        num_classes=len(CLASSES),
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
    )
    for split in SPLITS:
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        part = 'train2017' if split == 'train' else 'val2017'
        file = f'{small_shapes}/coco/annotations/instances_{part}.json'
        loader.dataset.update(
            data_root=str(small_shapes),
            ann_file=file,
            data_prefix=dict(img=f'coco/{part}/'),
            metainfo=dict(classes=CLASSES),
            serialize_data=False,  # it collects all garbage of the process
        )
        for each in loader.dataset.pipeline:
            if each.type == 'Resize':
                each.scale = (64, 64)
        if split != 'train':
            cfg[f'{split}_evaluator'].ann_file = file
    path = tmp_path_factory.mktemp('tiny') / 'tiny.py'
    cfg.dump(path)
    return path


def refusal(options: TrainOptions) -> str | None:
    """What the preflight has against options."""
    try:
        prepared = prepare_training(options)
    except (ValueError, OSError) as error:
        return str(error)
    assert isinstance(prepared, Prepared)
    return None


def check_options(tiny: Path, case: dict[str, Any]) -> None:
    work_dir = tiny.with_name('work')
    options = TrainOptions(config=str(tiny), work_dir=str(work_dir), **case)
    said = refusal(options)
    assert not work_dir.exists()
    if said is None:
        return
    settings = case.get('cfg_options', {})
    if FROM_A_LIBRARY.search(said):
        # what it is about comes first, not somewhere in a list
        (option,) = settings
        assert said.startswith(f'--cfg-options {option}'), said
        return
    named = [
        *settings,
        *(name for name in case if name != 'cfg_options'),
        *('--' + name.replace('_', '-') for name in case),
    ]
    assert any(name in said for name in named), said


test_a_few_options = few(check_options, cases, 6)
test_many_options = many(check_options, cases, 150)
