"""mmdet and mmseg before and after vitdense, each in a fresh interpreter.

Without compiled operators onedl's mmdet imports, with stubs; upstream's does
not import before vitdense, and says so itself.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from interpreter import check, python

CONFIG = Path(__file__).with_name('mask_rcnn_boxes.py')
MMDET = Path(find_spec('mmdet').submodule_search_locations[0])
TRAIN = MMDET / '.mim/tools/train.py'

try:
    ONEDL = bool(version('onedl-mmcv'))
except PackageNotFoundError:
    ONEDL = False
UPSTREAMS_ERROR = "No module named 'mmcv._ext'"


@pytest.fixture(scope='module')
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four pictures with one box each."""
    folder = tmp_path_factory.mktemp('boxes')
    for i in range(4):
        picture = np.full((64, 64, 3), 40 * i, np.uint8)
        cv2.imwrite(str(folder / f'{i}.png'), picture)
    box = dict(category_id=1, bbox=[8, 8, 40, 32], area=1280, iscrowd=0)
    box['segmentation'] = [[8, 8, 48, 8, 48, 40, 8, 40]]
    sizes = dict(height=64, width=64)
    (folder / 'boxes.json').write_text(
        json.dumps(
            dict(
                info={},
                images=[
                    dict(id=i, file_name=f'{i}.png', **sizes) for i in range(4)
                ],
                annotations=[
                    dict(box, id=i + 1, image_id=i) for i in range(4)
                ],
                categories=[dict(id=1, name='box')],
            )
        )
    )
    return folder


VITDENSE_FIRST = 'import vitdense, mmdet.apis, mmdet.models, mmseg.models\n'
MMDET_FIRST = (
    'import mmdet.apis, mmseg.apis\n'
    'try:\n'
    '    import mmdet.models\n'
    'except ImportError:\n'
    '    pass\n'
    'import vitdense, mmdet.models\n'
)
NO_STUBS = """
import inspect, sys
import mmseg.models
from mmcv import ops

def is_stub(value):
    plain = inspect.isfunction(value) or inspect.isclass(value)
    if not plain or not value.__module__.startswith(('mmdet', 'mmseg')):
        return False
    value = vars(value).get('__init__', value)
    code = getattr(value, '__code__', None)
    return code is not None and 'mmcv to be compiled' in str(code.co_consts)

found = [
    (name, key)
    for name, module in list(sys.modules.items())
    if name.startswith(('mmdet', 'mmseg'))
    for key, value in vars(module).items()
    if is_stub(value)
]
assert not found, found
for name, key in (
    ('mmdet.structures.mask.structures', 'roi_align'),
    ('mmdet.apis.inference', 'RoIPool'),
    ('mmdet.models.dense_heads.rpn_head', 'batched_nms'),
    ('mmseg.models.decode_heads.point_head', 'point_sample'),
):
    assert getattr(sys.modules[name], key) is getattr(ops, key), name
focal_loss = sys.modules['mmdet.models.losses.focal_loss']
assert focal_loss._sigmoid_focal_loss is ops.sigmoid_focal_loss
"""


def test_vitdense_first():
    check(VITDENSE_FIRST + NO_STUBS)


def test_vitdense_last():
    if ONEDL:
        check(MMDET_FIRST + NO_STUBS)
    else:
        status, output = python('-c', MMDET_FIRST)
        assert status == 1
        assert UPSTREAMS_ERROR in output


def test_a_stub_that_is_a_base_class_is_refused():
    status, output = python(
        '-c',
        'from mmdet.apis.inference import RoIPool\n'
        'class Pool(RoIPool): pass\n'
        'import vitdense',
    )
    assert status == 1
    error = (
        'ImportError: mmdet.apis.inference was imported before vitdense, '
        'without the operators of mmcv, and cannot be repaired (a class '
        'derives from RoIPool): import vitdense before mmdet and mmseg'
    )
    assert output.splitlines()[-1].endswith(
        error if ONEDL else UPSTREAMS_ERROR
    )


TRAINED = ('bbox_mAP', 'segm_mAP', 'loss_mask')


def test_mmdets_own_train_script(boxes):
    """The script imports parts of mmdet first, the config vitdense."""
    work = boxes / 'mmdet_first'
    status, output = python(TRAIN, CONFIG, '--work-dir', work, folder=boxes)
    assert status == 0, output
    assert (work / 'epoch_1.pth').is_file()
    assert all(word in output for word in TRAINED), output


def test_mmdets_own_train_script_after_vitdense(boxes):
    work = boxes / 'vitdense_first'
    output = check(
        'import runpy, sys, vitdense\n'
        f'sys.argv = {[str(TRAIN), str(CONFIG), "--work-dir", str(work)]}\n'
        "runpy.run_path(sys.argv[0], run_name='__main__')",
        folder=boxes,
    )
    assert (work / 'epoch_1.pth').is_file()
    assert all(word in output for word in TRAINED), output


INFER = f"""
from mmdet.apis import DetInferencer
inferencer = DetInferencer({str(CONFIG)!r}, device='cpu')
found = inferencer(['3.png'], no_save_vis=True)['predictions'][0]
assert len(found['bboxes']) == len(found['masks']) > 0, found
"""


def test_inferencer_after_vitdense(boxes):
    check('import vitdense' + INFER, folder=boxes)


def test_inferencer_before_vitdense(boxes):
    """Its config is what imports vitdense."""
    if ONEDL:
        check(INFER, folder=boxes)
    else:
        status, output = python('-c', INFER, folder=boxes)
        assert status == 1
        assert UPSTREAMS_ERROR in output
