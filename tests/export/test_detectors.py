"""Whole detectors as files: what mmdet finds, without mmdet's code."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from mmcv.ops import RoIAlign as Layer
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from small_runs import DETECTOR, left_by_training, small_shapes
from torch import Tensor, nn

import vitdense
from vitdense.export.choosing import network_of
from vitdense.export.compare import DifferentError
from vitdense.export.compare_objects import any_score, compare_objects
from vitdense.export.exporting import export
from vitdense.export.networks import example
from vitdense.export.operators import RoIAlign
from vitdense.predict.results import Detections

__all__ = ['small_shapes']
CONFIGS = DETECTOR.parents[1]
RETINANET = CONFIGS / 'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
OF_CLASSES = {
    'model.roi_head.mask_head.class_agnostic': False,
    'model.roi_head.bbox_head.reg_class_agnostic': True,
}


def built(config: Path, settings: dict[str, Any]) -> nn.Module:
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(settings)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model: nn.Module = MODELS.build(cfg.model)
    return model.eval()


@pytest.mark.parametrize(
    ('config', 'settings'),
    [(DETECTOR, {}), (DETECTOR, OF_CLASSES), (RETINANET, {})],
    ids=['mask-rcnn', 'of-classes', 'retinanet'],
)
def test_finds_what_mmdet_finds(
    config: Path, settings: dict[str, Any]
) -> None:
    network: Any = network_of(
        built(config, settings), 'detection', backbone=False
    )
    pictures = example(70, 100, batch=2)
    with any_score(network), torch.no_grad():
        found = dict(zip(network.outputs, network(pictures), strict=True))
        arrays = {name: each.numpy() for name, each in found.items()}
        worst = compare_objects(arrays, network, pictures, 'of two')
        assert set(worst) == set(network.outputs) - {'labels'}
        assert max(worst.values()) < 1e-5
        assert (found['labels'] >= 0).all()
        arrays['labels'] = (arrays['labels'] + 1) % 4
        with pytest.raises(DifferentError, match='are other ones'):
            compare_objects(arrays, network, pictures, 'of two')


def test_pictures_without_objects() -> None:
    settings = {'model.test_cfg.rcnn.score_thr': 1.0}
    network: Any = network_of(
        built(DETECTOR, settings), 'detection', backbone=False
    )
    with torch.no_grad():
        boxes, scores, labels, masks = network(example(64, 80, batch=2))
    assert boxes.shape == (2, 20, 4)
    assert masks.shape == (2, 20, 28, 28)
    assert (labels == -1).all()
    assert not boxes.any()
    assert not scores.any()
    assert not masks.any()


class Regions(nn.Module):
    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor, boxes: Tensor, pictures: Tensor) -> Tensor:
        made: Tensor = RoIAlign.apply(maps, boxes, pictures, self.layer)
        return made


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_regions_in_onnx(
    tmp_path: Path, sampling_ratio: int, aligned: bool
) -> None:
    layer = Layer((3, 5), 0.25, sampling_ratio, aligned=aligned)
    maps = torch.randn(2, 4, 11, 17)
    boxes = torch.tensor(
        [
            [3.0, 5.0, 41.5, 30.2],
            [-9.0, -4.0, 12.0, 9.0],
            [50.0, 20.0, 90.0, 70.0],
            [7.0, 7.0, 7.0, 7.0],
        ]
    )
    pictures = torch.tensor([0, 1, 1, 0])
    given = {'maps': maps, 'boxes': boxes, 'pictures': pictures}
    path = str(tmp_path / 'regions.onnx')
    torch.onnx.export(
        Regions(layer),
        tuple(given.values()),
        path,
        dynamo=False,
        opset_version=20,
        input_names=list(given),
        dynamic_axes={'boxes': {0: 'n'}, 'pictures': {0: 'n'}},
    )
    session = onnxruntime.InferenceSession(path)
    for some in (slice(None), slice(0, 0)):
        given['boxes'], given['pictures'] = boxes[some], pictures[some]
        (made,) = session.run(
            None, {name: each.numpy() for name, each in given.items()}
        )
        rois = torch.cat([pictures[some, None].float(), boxes[some]], 1)
        torch.testing.assert_close(torch.from_numpy(made), layer(maps, rois))


@pytest.mark.parametrize(
    ('config', 'settings', 'text'),
    [
        (
            CONFIGS / 'pvt/fcos_pvt-v2-b2_fpn_1x_coco.py',
            {},
            r"type='FCOS' cannot be exported; choose from \['RetinaNet', 'F",
        ),
        (
            DETECTOR,
            {'model.test_cfg.rcnn.nms.type': 'soft_nms'},
            r"test_cfg\.rcnn\.nms\.type='soft_nms' cannot be exported; choose "
            r"from \['nms'\]",
        ),
        (
            DETECTOR,
            {'model.test_cfg.rpn.nms.class_agnostic': True},
            r"test_cfg\.rpn\.nms with \['class_agnostic'\]",
        ),
        (
            DETECTOR,
            {'model.test_cfg.rcnn.max_per_img': -1},
            r'test_cfg\.rcnn\.max_per_img=-1',
        ),
        (
            DETECTOR,
            {'model.roi_head.mask_roi_extractor.roi_layer.pool_mode': 'max'},
            r"mask_roi_extractor\.roi_layer\.pool_mode='max'",
        ),
        (
            RETINANET,
            {'model.test_cfg.min_bbox_size': 3},
            r'test_cfg\.min_bbox_size=3',
        ),
        (
            RETINANET,
            {'model.bbox_head.bbox_coder.add_ctr_clamp': True},
            r'bbox_head\.bbox_coder\.add_ctr_clamp=True',
        ),
    ],
)
def test_what_cannot_be_exported(
    config: Path, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text) as refused:
        network_of(built(config, settings), 'detection', backbone=False)
    assert '--backbone' in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('config', 'suffix'), [(DETECTOR, '.xml'), (RETINANET, '.onnx')]
)
def test_files_find_what_models_find(
    tmp_path: Path, small_shapes: Path, config: Path, suffix: str
) -> None:
    run = left_by_training(tmp_path / 'run', config, small_shapes, {})
    given, checkpoint = run / 'config.py', run / 'epoch_4.pth'
    output = tmp_path / f'model{suffix}'
    worst = export(given, checkpoint, output)
    masks = config == DETECTOR
    assert set(worst) == {'boxes', 'scores', *(['masks'] if masks else [])}
    assert 0 < max(worst.values()) < 0.01
    pictures = [
        np.ascontiguousarray(each.numpy())
        for size in ((130, 100), (90, 160))
        for each in example(*size, batch=2)
    ]
    options: dict[str, Any] = {'batch_size': 4}
    if not masks:  # a picture of COCO's size takes long
        pipeline = 'test_dataloader.dataset.pipeline.1.scale'
        options['cfg_options'] = {pipeline: (200, 120)}
    # a batch of several sizes is padded by mmdet, and not by the file
    eager = vitdense.Predictor(
        given, checkpoint, device='cpu', **{**options, 'batch_size': 1}
    )
    exported = vitdense.Predictor(given, output, **options)
    for one, other in zip(eager(pictures), exported(pictures), strict=True):
        assert isinstance(one, Detections)
        assert isinstance(other, Detections)
        assert len(one) > 10
        assert one.classes == other.classes
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
        assert (one.masks is None) == (not masks)
        if one.masks is not None and other.masks is not None:
            assert one.masks.any()
            assert np.mean(one.masks != other.masks) < 1e-4
