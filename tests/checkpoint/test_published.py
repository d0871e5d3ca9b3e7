"""The table of published checkpoints."""

import re
from pathlib import Path

import pytest
import torch
from golden import official_state_dict
from interpreter import ROOT
from official import OFFICIAL
from vitdense.checkpoint.source import cache_path

from vitdense.backbones import PVT, CvT, T2TViT
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.checkpoint import (
    PUBLISHED,
    CheckpointError,
    official_url,
)


@pytest.mark.parametrize('backbone', [PVT, CvT, T2TViT])
def test_every_arch_has_an_entry(backbone: type[PyramidBackbone]) -> None:
    family = backbone.family
    assert set(PUBLISHED[family]) == set(backbone.variants)
    for entry in PUBLISHED[family].values():
        assert bool(entry.url) != bool(entry.why)


def test_urls_are_of_releases() -> None:
    urls = [e.url for t in PUBLISHED.values() for e in t.values() if e.url]
    assert len(urls) == len(set(urls)) == 20
    release = r'https://github\.com/[\w-]+/[\w-]+/releases/download/[\w./]+'
    assert all(re.fullmatch(release, url) for url in urls)


def test_page_of_the_documentation_agrees() -> None:
    page = (ROOT / 'docs' / 'checkpoints.md').read_text()
    for backbone in (PVT, CvT, T2TViT):
        for arch, entry in PUBLISHED[backbone.family].items():
            top1 = '' if entry.top1 is None else f'{entry.top1} '
            file = f'<{entry.url}>' if entry.url else f'none: {entry.why}'
            row = f'`vitdense.{backbone.__name__}` | `{arch}` | {top1}| {file}'
            assert f'| {row} |' in page


def test_official_names_match_the_url() -> None:
    for file, (family, arch) in OFFICIAL.items():
        url = PUBLISHED[family][arch].url
        if family == 'pvt':
            assert url.endswith(f'/{file}.pth')


@pytest.mark.parametrize(
    ('family', 'arch', 'told'),
    [
        ('cvt', '13', 'on a drive'),
        ('t2t', 'pyramid-t', 'new pyramid of vitdense'),
        ('t2t', '14-wide', 'have not published'),
        ('pvt', None, 'no checkpoint is published for arch None'),
        ('vit', 's', "family 'vit'"),
    ],
)
def test_no_public_file_says_why(
    family: str, arch: str | None, told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        official_url(family, arch)


def test_init_cfg_resolves_official(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    path = cache_path(official_url('pvt', 'v2-b0'))
    path.parent.mkdir(parents=True)
    weights = official_state_dict(shared, 'pvt_v2_b0')
    torch.save(weights, path)
    config = {'type': 'Pretrained', 'checkpoint': 'official'}
    model = PVT('v2-b0', init_cfg=config)
    model.init_weights()
    loaded = model.state_dict()['stages.3.norm.weight']
    assert torch.equal(loaded, weights['norm4.weight'])
    with pytest.raises(CheckpointError, match='no public file'):
        CvT('21', init_cfg=config).init_weights()
