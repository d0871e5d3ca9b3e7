"""Exported files give what the models give, in their own runtimes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from small_runs import (
    QUICKSTART,
    SEGMENTER,
    left_by_training,
    segmenter,
    small_shapes,
)
from torch import nn

import vitdense
from vitdense.checkpoint.sharded import digest_checkpoint
from vitdense.export import exporting
from vitdense.export.check import check
from vitdense.export.choosing import network_of
from vitdense.export.compare import DifferentError
from vitdense.export.exporting import export
from vitdense.export.tracing import sizes_followed
from vitdense.predict.results import LabelMap

__all__ = ['segmenter', 'small_shapes']
UPERNET = {
    'model.decode_head': {
        '_delete_': True,
        'type': 'UPerHead',
        'in_channels': [64] * 4,
        'in_index': [0, 1, 2, 3],
        'channels': 16,
        'num_classes': 5,
        'norm_cfg': {'type': 'BN'},
        'align_corners': False,
    }
}
DETECTORS = sorted(QUICKSTART.glob('mask-rcnn_*.py'))


def files_of(run: Path) -> tuple[Path, Path]:
    return run / 'config.py', run / 'epoch_4.pth'


@pytest.mark.parametrize('size', [(5, 11), (12, 6), (7, 7), (2, 1)])
def test_pooling_that_onnx_lacks(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size)
    for bins in (1, 2, 3, 6, (2, 3)):
        pool = nn.AdaptiveAvgPool2d(bins)
        wanted = pool(maps)
        with sizes_followed():
            made = pool(maps)
        torch.testing.assert_close(made, wanted)


def test_nothing_stays_changed() -> None:
    def fail() -> None:
        assert torch.Tensor.unflatten is not before[0]
        raise KeyError

    before = torch.Tensor.unflatten, nn.AdaptiveAvgPool2d.forward
    with pytest.raises(KeyError), sizes_followed():
        fail()
    assert (torch.Tensor.unflatten, nn.AdaptiveAvgPool2d.forward) == before


@pytest.mark.parametrize(
    ('output', 'form', 'text'),
    [
        ('a.pt', None, r"'a.pt' must end in .onnx or .xml"),
        ('a.onnx', 'openvino', r"'a.onnx' must end in .xml for --format"),
        ('absent/a.onnx', None, 'there is no folder'),
        ('there.onnx', None, '--overwrite replaces it'),
    ],
)
def test_bad_outputs(
    tmp_path: Path, output: str, form: str | None, text: str
) -> None:
    (tmp_path / 'there.onnx').write_text('mine')
    with pytest.raises((ValueError, OSError), match=text):
        export(Path('no.py'), Path('no.pth'), tmp_path / output, form=form)
    assert [each.name for each in tmp_path.iterdir()] == ['there.onnx']


def test_what_is_exported_already(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'no\.onnx' is exported already"):
        export(Path('no.py'), Path('no.onnx'), tmp_path / 'a.xml')


def test_what_cannot_be_exported_is_named(segmenter: Path) -> None:
    predictor = vitdense.Predictor(*files_of(segmenter), device='cpu')
    model = predictor.model
    model.test_cfg.mode = 'slide'
    with pytest.raises(ValueError, match=r"test_cfg\.mode='slide'"):
        network_of(model, 'segmentation', backbone=False)
    model.decode_head = nn.Identity()
    with pytest.raises(ValueError, match=r"decode_head\.type='Identity'"):
        network_of(model, 'segmentation', backbone=False)
    with pytest.raises(ValueError, match=r"model\.type='EncoderDecoder'"):
        network_of(model, 'detection', backbone=False)
    model.backbone = nn.Identity()
    with pytest.raises(ValueError, match=r"backbone\.type='Identity'"):
        network_of(model, 'segmentation', backbone=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('head', 'suffix'),
    [({}, '.xml'), (UPERNET, '.onnx')],  # FPN's .onnx: tests/tools
    ids=['fpn', 'upernet'],
)
def test_segmentors(
    tmp_path: Path, small_shapes: Path, head: dict[str, Any], suffix: str
) -> None:
    run = left_by_training(tmp_path / 'run', SEGMENTER, small_shapes, head)
    output = tmp_path / f'model{suffix}'
    worst = export(*files_of(run), output)
    assert set(worst) == {'logits'}
    assert 0 < worst['logits'] < 1e-3  # of logits up to 20
    pictures = sorted(small_shapes.glob('coco/val2017/*'))
    config, checkpoint = files_of(run)
    eager = vitdense.Predictor(config, checkpoint, device='cpu')(pictures)
    found = vitdense.Predictor(config, output)(pictures)
    for one, other in zip(eager, found, strict=True):
        assert isinstance(one, LabelMap)
        assert isinstance(other, LabelMap)
        assert one.classes == other.classes
        assert len(np.unique(one.labels)) > 1
        assert np.mean(one.labels == other.labels) > 0.999
    left = {'run', f'model{suffix}', 'model.bin'}
    assert {each.name for each in tmp_path.iterdir()} <= left


@pytest.mark.slow
@pytest.mark.parametrize('config', DETECTORS, ids=lambda path: path.stem)
def test_backbones_alone(
    tmp_path: Path, small_shapes: Path, config: Path
) -> None:
    run = left_by_training(tmp_path / 'run', config, small_shapes, {})
    output = tmp_path / 'backbone.onnx'
    worst = export(*files_of(run), output, backbone=True)
    assert 0 < max(worst.values()) < 1e-3
    with pytest.raises(ValueError, match='of a backbone alone'):
        vitdense.Predictor(run / 'config.py', output)


@pytest.mark.slow
def test_what_a_file_says_and_a_check_that_can_fail(
    tmp_path: Path, segmenter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, checkpoint = files_of(segmenter)
    output = tmp_path / 'model.onnx'
    export(config, checkpoint, output, checked=False)
    model = onnx.load(output)
    (entry,) = model.metadata_props
    told = json.loads(entry.value)
    assert told['sha256'] == digest_checkpoint(checkpoint)
    assert told['task'] == 'segmentation'
    assert len(told['classes']) == 5
    assert told['normalisation']['mean'] == pytest.approx(
        [123.675, 116.28, 103.53]
    )
    predictor = vitdense.Predictor(config, checkpoint, device='cpu')
    network: Any = network_of(predictor.model, predictor.task, backbone=False)
    check(output, network, 64)
    with torch.no_grad():
        network.model.decode_head.conv_seg.bias += 0.01
    with pytest.raises(DifferentError, match='logits of 1 x 64 x 128'):
        check(output, network, 64)

    def fail(*args: object) -> None:
        raise DifferentError('other logits')

    monkeypatch.setattr(exporting, 'check', fail)
    with pytest.raises(DifferentError):
        export(config, checkpoint, tmp_path / 'other.onnx')
    assert [each.name for each in tmp_path.iterdir()] == ['model.onnx']
