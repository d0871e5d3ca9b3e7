"""The published checkpoints that families name."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from interpreter import ROOT
from official import BACKBONES, OFFICIAL, build

from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.reading.source import cache_path


@pytest.mark.parametrize('backbone', BACKBONES.values())
def test_every_arch_has_an_entry(backbone: type[PyramidBackbone]) -> None:
    family = backbone.family
    assert set(family.published) == set(family.archs)
    for entry in family.published.values():
        assert bool(entry.url) != bool(entry.why)


def test_urls_are_of_authors() -> None:
    tables = [backbone.family.published for backbone in BACKBONES.values()]
    urls = [e.url for table in tables for e in table.values() if e.url]
    # ViTDet's large one is made of the same file as the plain one
    assert len(urls) == 37
    assert len(set(urls)) == 36
    release = r'https://github\.com/[\w-]+/[\w-]+/releases/download/[\w./]+'
    meta = r'https://dl\.fbaipublicfiles\.com/(deit|mae|dinov2)/[\w./-]+'
    cct = r'https://shi-labs\.com/projects/cct/checkpoints/[\w./]+'
    authors = re.compile(f'{release}|{meta}|{cct}')
    assert all(authors.fullmatch(url) for url in urls)


def test_page_of_the_documentation_agrees() -> None:
    page = (ROOT / 'docs' / 'checkpoints.md').read_text()
    rows = set()
    for backbone in BACKBONES.values():
        for arch, entry in backbone.family.published.items():
            top1 = '' if entry.top1 is None else f'{entry.top1} '
            file = f'<{entry.url}>' if entry.url else f'none: {entry.why}'
            rows.add(
                f'| `vitdense.{backbone.__name__}` | `{arch}` | {top1}| '
                f'{file} |'
            )
    assert {line for line in page.splitlines() if '| `vitdense.' in line} == (
        rows
    )


def test_official_names_match_the_url() -> None:
    for file, (family, arch) in OFFICIAL.items():
        url = BACKBONES[family].family.published[arch].url
        if family == 'pvt':
            assert url.endswith(f'/{file}.pth')


@pytest.mark.parametrize(
    ('family', 'arch', 'told'),
    [
        ('cvt', '13', 'on a drive'),
        ('t2t', 'pyramid-t', 'new pyramid of vitdense'),
        ('t2t', '14-wide', 'have not published'),
        ('vit', 'dinov3-b', 'your own consent; request the files at https'),
        ('pvt', None, 'no checkpoint is published for arch None'),
        ('pvt', 'v3', "no checkpoint is published for arch 'v3'"),
    ],
)
def test_no_public_file_says_why(
    family: str, arch: str | None, told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        BACKBONES[family].family.official_url(arch)


def test_init_cfg_resolves_official(
    official_file: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    config = {'type': 'Pretrained', 'checkpoint': 'official'}
    model = build('pvt', arch='v2-b0', init_cfg=config)
    path = cache_path(model.family.official_url('v2-b0'))
    path.parent.mkdir(parents=True)
    path.symlink_to(official_file('pvt_v2_b0'))
    model.init_weights()
    loaded = model.state_dict()['stages.3.norm.weight']
    assert torch.equal(loaded, torch.load(path)['norm4.weight'])
    with pytest.raises(CheckpointError, match='no public file'):
        build('cvt', arch='21', init_cfg=config).init_weights()
