"""Converting writes strict files; there and back is the same to the bit."""

import hashlib
import os
import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from golden import official_shapes, official_state_dict
from official import BACKBONES, OFFICIAL, blank, build, model_shapes
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitdense.checkpoint import (
    CheckpointError,
    LoadReport,
    convert_checkpoint,
    load_backbone,
)
from vitdense.checkpoint.convert import _nearest_arch
from vitdense.checkpoint.load import match_names
from vitdense.checkpoint.reading.unwrap import BackboneTensors

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'
NAMES = ['pvt_tiny', 'pvt_v2_b0', 'cvt_13', 't2t_vit_7', 't2t_vit_t_14']
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ('t2t_vit_16_ghost', 't2t_vit_dense')
]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert set(one) == set(other)
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


Converted = Callable[[str], tuple[Path, LoadReport]]


@pytest.fixture(scope='session')
def converted(
    official_file: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Converted:
    """An official file under vitdense's names, by name; written once."""
    folder = tmp_path_factory.mktemp('converted')

    @cache
    def convert(name: str) -> tuple[Path, LoadReport]:
        path = folder / f'{name}.safetensors'
        return path, convert_checkpoint(official_file(name), path)

    return convert


@pytest.mark.parametrize('name', [*NAMES, *SLOW])
def test_there_and_back(
    official_file: Callable[[str], str],
    converted: Converted,
    tmp_path: Path,
    name: str,
) -> None:
    source = Path(official_file(name))
    own, report = converted(name)
    assert report.matched + len(report.initial) == report.total
    with safe_open(own, 'pt') as file:
        metadata = file.metadata()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert metadata['source_sha256'] == digest
    assert metadata['source'] == f'{name}.pth'
    assert (metadata['family'], metadata['arch']) == OFFICIAL[name]
    assert len(metadata['tensors_sha256']) == 64

    back = tmp_path / 'back.pth'
    convert_checkpoint(str(own), back, to='official')
    assert_same(torch.load(back), torch.load(source))


@pytest.mark.parametrize('name', OFFICIAL)
def test_every_official_file_finds_its_arch(name: str) -> None:
    """By shapes alone: positions of larger images change nothing."""
    family, arch = OFFICIAL[name]
    source = {
        key: tuple(shape) for key, shape in official_shapes(name).items()
    }
    held = BackboneTensors({k: blank(k, s) for k, s in source.items()})
    backbones = list(BACKBONES.values())
    matched = match_names(held, name, [b.family for b in backbones])
    for key in ('pos_embed', 'pos_embed4'):
        if key in source:
            source[key] = (1, 1 + 32 * 32, source[key][2])
    found = _nearest_arch(backbones, matched, source)
    assert found[:2] == (BACKBONES[family].family, arch)
    assert found[2] == model_shapes(family, arch)


@pytest.mark.parametrize('name', ['pvt_v2_b0', 't2t_vit_7'])
def test_converted_file_loads_the_same(
    official_file: Callable[[str], str], converted: Converted, name: str
) -> None:
    family, arch = OFFICIAL[name]
    one, other = build(family, arch=arch), build(family, arch=arch)
    reports = (
        load_backbone(one, official_file(name)),
        load_backbone(other, str(converted(name)[0])),
    )
    assert reports[1].layout.startswith('vitdense')
    assert reports[0].matched == reports[1].matched
    assert reports[0].initial == reports[1].initial
    for target, tensor in one.state_dict().items():
        if target not in reports[0].initial:
            assert torch.equal(tensor, other.state_dict()[target])


def test_without_classifier_the_class_slot_is_zero(tmp_path: Path) -> None:
    model = build('pvt', arch='tiny')
    source, back = tmp_path / 'own.safetensors', tmp_path / 'back.pth'
    save_file(model.state_dict(), source)
    convert_checkpoint(str(source), back, to='official')
    official = torch.load(back)
    assert 'head.weight' not in official
    assert official['pos_embed4'].shape == (1, 50, 512)
    assert not official['pos_embed4'][:, 0].any()
    again = build('pvt', arch='tiny')
    load_backbone(again, str(back))
    assert_same(again.state_dict(), model.state_dict())


def test_damaged_converted_file_is_refused(
    converted: Converted, tmp_path: Path
) -> None:
    own = tmp_path / 'own.safetensors'
    content = bytearray(converted('pvt_v2_b0')[0].read_bytes())
    content[-1] ^= 1
    own.write_bytes(content)
    with pytest.raises(CheckpointError, match='another sha256'):
        load_backbone(build('pvt', arch='v2-b0'), str(own))


def test_kept_classifier_must_be_whole(
    converted: Converted, tmp_path: Path
) -> None:
    own = tmp_path / 'own.safetensors'
    tensors = load_file(converted('pvt_tiny')[0])
    assert tensors.pop('unused.pos_embed4').shape == (1, 1, 512)
    save_file(tensors, own)
    with pytest.raises(CheckpointError, match=r'unused\.pos_embed4'):
        load_backbone(build('pvt', arch='tiny'), str(own))


def test_positions_are_written_as_they_are(tmp_path: Path) -> None:
    weights = official_state_dict('t2t_vit_7')
    weights['pos_embed'] = torch.randn(1, 1 + 24 * 24, 256)
    source, own = tmp_path / 'x.pth', tmp_path / 'own.safetensors'
    torch.save(weights, source)
    report = convert_checkpoint(str(source), own)
    written = load_file(own)['stages.2.pos_embed']
    assert torch.equal(written, weights['pos_embed'])
    assert report.adapted == ()


def test_refusals(tmp_path: Path) -> None:
    source = tmp_path / 'x.pth'
    weights = official_state_dict('pvt_v2_b0')
    torch.save(weights, source)

    def refuse(destination: Path, told: str, *families: str) -> None:
        backbones = [BACKBONES[family] for family in families] or None
        with pytest.raises(CheckpointError, match=told):
            convert_checkpoint(str(source), destination, backbones)

    own = tmp_path / 'own.pth'
    refuse(tmp_path / 'x.npz', r'must end in one of \.safetensors')
    refuse(tmp_path / 'nowhere' / 'x.pth', 'is not a directory')
    refuse(source, 'exists; it was not overwritten')
    refuse(own, 'of another family: .* official PVTv2; ', 'cvt', 't2t')
    weights['norm5.weight'] = weights.pop('norm4.weight')
    torch.save(weights, source)
    refuse(own, r"nearest is 'v2-b0', with 2 misfits:(.|\n)*norm4\.weight")
    assert os.listdir(tmp_path) == ['x.pth']


def test_names_of_several_families_are_told_apart_by_shapes(
    tmp_path: Path,
) -> None:
    """A pyramid's own names are also PVT's; no official file has them."""
    source = tmp_path / 'own.safetensors'
    save_file(build('t2t', arch='pyramid-t').state_dict(), source)
    told = "own.safetensors: family 't2t': no official layout holds"
    with pytest.raises(CheckpointError, match=told) as error:
        convert_checkpoint(str(source), tmp_path / 'x.pth', to='official')
    assert '\n' not in str(error.value)
    assert os.listdir(tmp_path) == ['own.safetensors']


def run_tool(*arguments: object) -> None:
    """The command line, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['convert', *map(str, arguments)])
        runpy.run_path(str(TOOL), run_name='__main__')


def test_command_line(
    official_file: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, own = official_file('pvt_v2_b0'), tmp_path / 'own.safetensors'
    run_tool(source, own, '--backbone', 'vitdense.PVT')
    told = capsys.readouterr().out
    assert f'loaded {source}: layout official PVTv2' in told
    assert told.endswith(f'written: {own}\n')
    with pytest.raises(SystemExit) as ended:
        run_tool(source, own)
    assert ended.value.code == 2
    refused = capsys.readouterr()
    assert refused.out == ''
    assert refused.err == f'error: {own} exists; it was not overwritten\n'


@pytest.mark.parametrize(
    ('backbone', 'told'),
    [
        ('vitdense.CvT', 'weights of another family'),
        ('vitdense.Nothing', "'vitdense.Nothing' is no backbone"),
        ('torch.nn.Linear', "'torch.nn.Linear' is no backbone"),
        ('nowhere.Net', "No module named 'nowhere'"),
    ],
)
def test_command_line_refuses_other_backbones(
    official_file: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    backbone: str,
    told: str,
) -> None:
    source, own = official_file('pvt_v2_b0'), tmp_path / 'own.pth'
    with pytest.raises(SystemExit) as ended:
        run_tool(source, own, '--backbone', backbone)
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert told in line
    assert line.count('\n') == 1
    assert not own.exists()
