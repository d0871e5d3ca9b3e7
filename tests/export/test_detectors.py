"""Whole detectors as files: what mmdet finds, without mmdet's code."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from mmcv.ops import RoIAlign as Layer
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from small_runs import DETECTOR, left_by_training, small_shapes
from torch import Tensor, nn

import vitdense
from vitdense.export.boxes import Boxes, suppress
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
# the quick start's are the other way round, and tested as files
OF_CLASSES = {
    'model.roi_head.mask_head.class_agnostic': False,
    'model.roi_head.bbox_head.reg_class_agnostic': True,
}

SMALL = {
    'model.neck.out_channels': 32,
    'model.bbox_head.in_channels': 32,
    'model.bbox_head.feat_channels': 32,
    'model.bbox_head.num_classes': 2,
    'test_dataloader.dataset.metainfo': {'classes': ['one', 'two']},
    'test_dataloader.dataset.pipeline': [
        {'type': 'LoadImageFromFile'},
        {'type': 'Resize', 'scale': (200, 120), 'keep_ratio': True},
        {'type': 'PackDetInputs'},
    ],
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
    [(DETECTOR, OF_CLASSES), (RETINANET, SMALL)],
    ids=['mask-rcnn', 'retinanet'],
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
        arrays['labels'] = (arrays['labels'] + 1) % 2
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


def traced(
    folder: Path,
    module: nn.Module,
    given: tuple[Tensor, ...],
    free: dict[str, int],
) -> onnxruntime.InferenceSession:
    """A module in ONNX Runtime; of ``free`` inputs, that size is free."""
    names = [*inspect.signature(module.forward).parameters]
    path = str(folder / 'module.onnx')
    torch.onnx.export(
        module,
        given,
        path,
        dynamo=False,
        opset_version=20,
        input_names=names,
        dynamic_axes={name: {axis: 'n'} for name, axis in free.items()},
    )
    return onnxruntime.InferenceSession(path)


def run_with(
    session: onnxruntime.InferenceSession, given: tuple[Tensor, ...]
) -> list[Tensor]:
    names = [each.name for each in session.get_inputs()]
    feed = {
        name: each.numpy() for name, each in zip(names, given, strict=True)
    }
    return [torch.from_numpy(each) for each in session.run(None, feed)]


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
    some = maps, boxes, pictures
    session = traced(
        tmp_path, Regions(layer), some, {'boxes': 0, 'pictures': 0}
    )
    for given in (some, (maps, boxes[:0], pictures[:0])):
        (made,) = run_with(session, given)
        rois = torch.cat([given[2][:, None].float(), given[1]], 1)
        torch.testing.assert_close(made, layer(maps, rois))


class Suppressed(nn.Module):
    settings = ConfigDict(
        max_per_img=6, score_thr=0.3, nms={'iou_threshold': 0.5}
    )

    def forward(
        self, corners: Tensor, scores: Tensor, groups: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(suppress(Boxes(corners, scores, groups), self.settings))


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_overlaps_in_onnx(tmp_path: Path) -> None:
    source = torch.Generator().manual_seed(0)
    first = torch.rand(2, 40, 2, generator=source) * 30
    corners = torch.cat([first, first + 20], 2)
    scores = torch.rand(2, 40, generator=source)
    groups = torch.randint(3, (2, 40), generator=source)
    many = corners, scores, groups
    few = corners[:, :3], scores[:, :3], groups[:, :3]
    session = traced(
        tmp_path,
        Suppressed(),
        many,
        dict.fromkeys(('corners', 'scores', 'groups'), 1),
    )
    for given in (many, few, (corners, scores * 0.2, groups)):
        wanted = Suppressed()(*given)
        for one, other in zip(run_with(session, given), wanted, strict=True):
            torch.testing.assert_close(one, other)
    found, _, labels = Suppressed()(*many)
    assert (labels >= 0).sum() > 6
    for boxes, kinds in zip(found, labels, strict=True):
        overlaps = bbox_overlaps(boxes, boxes) * (kinds[:, None] == kinds)
        assert overlaps.triu(1).max() <= 0.5


@pytest.mark.parametrize(
    ('config', 'settings', 'text'),
    [
        (
            CONFIGS / 'pvt/fcos_pvt-v2-b2_fpn_1x_coco.py',
            {'model.backbone.arch': 'v2-b0'},
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


def places(one: Detections, other: Detections) -> list[int]:
    """Where the objects of one are in the other; scores may be near ties."""
    assert len(one) == len(other)
    same = (
        (one.labels[:, None] == other.labels)
        & (np.abs(one.scores[:, None] - other.scores) < 1e-4)
        & (np.abs(one.boxes[:, None] - other.boxes) < 1e-2).all(2)
    )
    assert (same.sum(1) == 1).all()
    return [int(place) for place in same.argmax(1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('config', 'settings', 'suffix'),
    [(DETECTOR, {}, '.xml'), (RETINANET, SMALL, '.onnx')],
    ids=['mask-rcnn', 'retinanet'],
)
def test_files_find_what_models_find(
    tmp_path: Path,
    small_shapes: Path,
    config: Path,
    settings: dict[str, Any],
    suffix: str,
) -> None:
    run = left_by_training(tmp_path / 'run', config, small_shapes, settings)
    given, checkpoint = run / 'config.py', run / 'epoch_4.pth'
    output = tmp_path / f'model{suffix}'
    masks = config == DETECTOR
    # one of the two, as the check takes longer than the rest
    worst = export(given, checkpoint, output, checked=not masks)
    assert set(worst) == (set() if masks else {'boxes', 'scores'})
    assert all(0 < error < 0.01 for error in worst.values())
    pictures = [
        each.numpy()
        for size in ((130, 100), (90, 160))
        for each in example(*size, batch=2)
    ]
    # mmdet pads a batch of several sizes, and the file's are not padded
    eager = vitdense.Predictor(given, checkpoint, device='cpu')(pictures)
    found = vitdense.Predictor(given, output, batch_size=4)(pictures)
    for one, other in zip(eager, found, strict=True):
        assert isinstance(one, Detections)
        assert isinstance(other, Detections)
        assert len(one) >= 20
        assert one.classes == other.classes
        assert (one.masks is None) == (not masks)
        place = places(one, other)
        if one.masks is not None and other.masks is not None:
            assert one.masks.any()
            assert np.mean(one.masks != other.masks[place]) < 1e-4
