"""Converting writes strict files; there and back is the same to the bit."""

import hashlib
import os
import runpy
import sys
from pathlib import Path

import pytest
import torch
from golden import official_state_dict
from official import OFFICIAL, build, model_shapes
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitdense.checkpoint import (
    CheckpointError,
    convert_checkpoint,
    load_backbone,
)

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'
NAMES = ['pvt_tiny', 'pvt_v2_b0', 'cvt_13', 't2t_vit_7', 't2t_vit_t_14']


def archs(family: str) -> list[tuple[str, dict[str, tuple[int, ...]]]]:
    named = [arch for of, arch in OFFICIAL.values() if of == family]
    return [(arch, model_shapes(family, arch)) for arch in named]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert set(one) == set(other)
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize('name', NAMES)
def test_there_and_back(tmp_path: Path, name: str) -> None:
    weights = official_state_dict(name)
    source, own = tmp_path / 'official.pth', tmp_path / 'own.safetensors'
    torch.save(weights, source)
    family, arch = OFFICIAL[name]
    report = convert_checkpoint(str(source), own, archs)
    assert report.matched + len(report.initial) == report.total
    with safe_open(own, 'pt') as file:
        metadata = file.metadata()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert metadata['source_sha256'] == digest
    assert metadata['source'] == 'official.pth'
    assert (metadata['family'], metadata['arch']) == (family, arch)
    assert len(metadata['tensors_sha256']) == 64

    back = tmp_path / 'back.pth'
    convert_checkpoint(str(own), back, archs, to='official')
    assert_same(torch.load(back), weights)


@pytest.mark.parametrize('name', ['pvt_v2_b0', 't2t_vit_7'])
def test_converted_file_loads_the_same(tmp_path: Path, name: str) -> None:
    source, own = tmp_path / 'official.pth', tmp_path / 'own.pth'
    torch.save(official_state_dict(name), source)
    convert_checkpoint(str(source), own, archs)
    family, arch = OFFICIAL[name]
    one, other = build(family, arch=arch), build(family, arch=arch)
    reports = load_backbone(one, str(source)), load_backbone(other, str(own))
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
    convert_checkpoint(str(source), back, archs, to='official')
    official = torch.load(back)
    assert 'head.weight' not in official
    assert official['pos_embed4'].shape == (1, 50, 512)
    assert not official['pos_embed4'][:, 0].any()
    again = build('pvt', arch='tiny')
    load_backbone(again, str(back))
    assert_same(again.state_dict(), model.state_dict())


def test_damaged_converted_file_is_refused(tmp_path: Path) -> None:
    model = build('pvt', arch='v2-b0')
    source, own = tmp_path / 'x.pth', tmp_path / 'own.safetensors'
    torch.save(model.state_dict(), source)
    convert_checkpoint(str(source), own, archs)
    content = bytearray(own.read_bytes())
    content[-1] ^= 1
    own.write_bytes(content)
    with pytest.raises(CheckpointError, match='another sha256'):
        load_backbone(model, str(own))


def test_kept_classifier_must_be_whole(tmp_path: Path) -> None:
    source, own = tmp_path / 'x.pth', tmp_path / 'own.safetensors'
    torch.save(official_state_dict('pvt_tiny'), source)
    convert_checkpoint(str(source), own, archs)
    tensors = load_file(own)
    assert tensors.pop('unused.pos_embed4').shape == (1, 1, 512)
    save_file(tensors, own)
    with pytest.raises(CheckpointError, match=r'unused\.pos_embed4'):
        load_backbone(build('pvt', arch='tiny'), str(own))


def test_positions_are_written_as_they_are(tmp_path: Path) -> None:
    weights = official_state_dict('t2t_vit_7')
    weights['pos_embed'] = torch.randn(1, 1 + 24 * 24, 256)
    source, own = tmp_path / 'x.pth', tmp_path / 'own.safetensors'
    torch.save(weights, source)
    report = convert_checkpoint(str(source), own, archs)
    written = load_file(own)['stages.2.pos_embed']
    assert torch.equal(written, weights['pos_embed'])
    assert report.adapted == ()


def test_refusals(tmp_path: Path) -> None:
    source = tmp_path / 'x.pth'
    weights = official_state_dict('pvt_v2_b0')
    torch.save(weights, source)

    def refuse(destination: Path, told: str) -> None:
        with pytest.raises(CheckpointError, match=told):
            convert_checkpoint(str(source), destination, archs)

    refuse(tmp_path / 'x.npz', r'must end in one of \.safetensors')
    refuse(tmp_path / 'nowhere' / 'x.pth', 'is not a directory')
    refuse(source, 'exists; it was not overwritten')
    weights['norm5.weight'] = weights.pop('norm4.weight')
    torch.save(weights, source)
    refuse(tmp_path / 'own.pth', r"nearest is 'v2-b0'(.|\n)*norm4\.weight")
    assert os.listdir(tmp_path) == ['x.pth']


def test_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, own = tmp_path / 'x.pth', tmp_path / 'own.safetensors'
    torch.save(official_state_dict('pvt_v2_b0'), source)
    monkeypatch.setattr(sys, 'argv', ['convert', str(source), str(own)])
    runpy.run_path(str(TOOL), run_name='__main__')
    told = capsys.readouterr().out
    assert f'loaded {source}: layout official PVTv2' in told
    assert told.endswith(f'written: {own}\n')
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ''
    assert told.err == f'error: {own} exists; it was not overwritten\n'
