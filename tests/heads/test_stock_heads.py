"""mmdet's and mmseg's own models take our backbones; docs/heads.md says which.

A few in every run, a sample of the page in the slow tests; `make heads` tries
all of them.
"""

import random
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from stock_heads.kinds import files, kinds, read
from stock_heads.levels import FAMILIES
from stock_heads.page import DISTRIBUTIONS, PAGE, rows
from stock_heads.trial import WORKS, attempt

# quick ones, each of another head
TEN = [
    ('mmdet', 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco', 'PVT'),
    ('mmdet', 'yolox/yolox_s_8xb8-300e_coco', 'PVT'),
    ('mmdet', 'gfl/gfl_r50_fpn_1x_coco', 'CvT'),
    ('mmdet', 'detr/detr_r50_8xb2-150e_coco', 'T2TViT'),
    ('mmdet', 'centernet/centernet-update_r50-caffe_fpn_ms-1x_coco', 'ViT'),
    ('mmseg', 'pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024', 'PVT'),
    ('mmseg', 'ann/ann_r50-d8_4xb2-40k_cityscapes-512x1024', 'CvT'),
    ('mmseg', 'ocrnet/ocrnet_hr18_4xb2-160k_cityscapes-512x1024', 'T2TViT'),
    ('mmseg', 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512', 'ViT'),
    ('mmseg', 'sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024', 'ViT'),
]
SAMPLED = 24


def skip_unless_of_the_page() -> None:
    """The page is of the default stack, in the versions that it names."""
    text = PAGE.read_text()
    for distribution in DISTRIBUTIONS.values():
        try:
            named = f'{distribution} {version(distribution)} ships'
        except PackageNotFoundError:
            pytest.skip(f'the page is of {distribution}')
        assert named in text, 'make heads'


@pytest.mark.parametrize(('library', 'name', 'family'), TEN)
def test_a_stock_model_works(library: str, name: str, family: str) -> None:
    assert attempt(library, name, family) == WORKS


def sampled() -> list[Any]:
    cases = [(row, family) for row in rows() for family in FAMILIES]
    return [
        pytest.param(row, family, id=f'{row.kind.name}-{family}')
        for row, family in random.Random(0).sample(cases, SAMPLED)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(('row', 'family'), sampled())
def test_what_the_page_says_is_so(row: Any, family: str) -> None:
    skip_unless_of_the_page()
    library, name, _ = row.kind
    worked = attempt(library, name, family) == WORKS
    assert worked == (family in row.works)


@pytest.mark.parametrize('library', DISTRIBUTIONS)
def test_the_page_lists_what_is_installed(library: str) -> None:
    skip_unless_of_the_page()
    listed = [row.kind for row in rows() if row.kind.library == library]
    installed = files(library)
    assert {kind.name for kind in listed} <= set(installed)
    assert (
        f'ships {len(installed)} configs: {sum(k.configs for k in listed)} of '
        f'{len(listed)} kinds'
    ) in PAGE.read_text(), 'make heads'


@pytest.mark.soak
@pytest.mark.parametrize('library', DISTRIBUTIONS)
def test_kinds_of_the_page_are_those_there_are(library: str) -> None:
    skip_unless_of_the_page()
    listed = [row.kind for row in rows() if row.kind.library == library]
    assert listed == kinds(library, read(library)[0])


def test_the_example_of_the_page_is_a_detector(tmp_path: Path) -> None:
    (text,) = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
    path = tmp_path / 'example.py'
    path.write_text(text)
    cfg = Config.fromfile(path)
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    assert model.neck.in_channels == list(model.backbone.out_channels)
