"""The table of published checkpoints."""

import re

import pytest
from official import OFFICIAL

from vitdense.backbones.cvt import VARIANTS as CVT
from vitdense.backbones.pvt import VARIANTS as PVT
from vitdense.backbones.t2t_arch import VARIANTS as T2T
from vitdense.checkpoint import (
    PUBLISHED,
    CheckpointError,
    load_backbone,
    official_url,
)


@pytest.mark.parametrize(
    ('family', 'variants'), [('pvt', PVT), ('cvt', CVT), ('t2t', T2T)]
)
def test_every_arch_has_an_entry(
    family: str, variants: dict[str, object]
) -> None:
    assert set(PUBLISHED[family]) == set(variants)
    for entry in PUBLISHED[family].values():
        assert bool(entry.url) != bool(entry.why)


def test_urls_are_of_releases() -> None:
    urls = [e.url for t in PUBLISHED.values() for e in t.values() if e.url]
    assert len(urls) == len(set(urls)) == 20
    release = r'https://github\.com/[\w-]+/[\w-]+/releases/download/[\w./]+'
    assert all(re.fullmatch(release, url) for url in urls)


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


def test_loader_resolves_official() -> None:
    class Model:
        family, arch_name = 'cvt', '21'

    with pytest.raises(CheckpointError, match='no public file'):
        load_backbone(Model(), 'official')
