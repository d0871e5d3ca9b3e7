"""What of a model cannot be exported, said before anything is written."""

from operator import attrgetter
from typing import Any

BOX_HEADS = ('ConvFCBBoxHead', 'Shared2FCBBoxHead', 'Shared4Conv1FCBBoxHead')
ALONE = 'or --backbone for the backbone alone'


def check_kind(model: Any, *kinds: str) -> None:
    """See that a model is of a known kind.

    Raises:
        ValueError: If it is not, naming it.
    """
    _choose('type', type(model).__name__, *kinds)


def check_type(model: Any, part: str, *types: str) -> None:
    """See that a part of a model is of a known type.

    Raises:
        ValueError: If it is not, naming it.
    """
    found = type(attrgetter(part)(model)).__name__
    _choose(f'{part}.type', found, *types)


def check_dense_head(model: Any, part: str, settings: str) -> None:
    """See that boxes of a dense head can be exported.

    Args:
        model: A detector.
        part: Where the head is in it.
        settings: Where its ``test_cfg`` is in the config's model.

    Raises:
        ValueError: If they cannot, naming what.
    """
    head = getattr(model, part)
    check_type(model, f'{part}.prior_generator', 'AnchorGenerator')
    _check_boxes(model, part)
    _choose(f'{part}.loss_cls.use_sigmoid', bool(head.use_sigmoid_cls), True)
    _check_settings(head.test_cfg, settings, 'nms_pre', 'max_per_img')


def check_regions(model: Any) -> None:
    """See that what an ``roi_head`` finds can be exported.

    Args:
        model: A detector of two stages.

    Raises:
        ValueError: If it cannot, naming what.
    """
    check_type(model, 'roi_head', 'StandardRoIHead')
    head = model.roi_head
    _choose('roi_head.shared_head', head.with_shared_head, False)
    check_type(model, 'roi_head.bbox_head', *BOX_HEADS)
    _check_boxes(model, 'roi_head.bbox_head')
    _check_extractor(model, 'roi_head.bbox_roi_extractor')
    _check_settings(head.test_cfg, 'test_cfg.rcnn', 'max_per_img')
    if head.with_mask:
        check_type(model, 'roi_head.mask_head', 'FCNMaskHead')
        _check_extractor(model, 'roi_head.mask_roi_extractor')


def check_least_side(settings: Any) -> None:
    """See that a detector's boxes may have any size.

    Args:
        settings: Its ``test_cfg``.

    Raises:
        ValueError: If it drops small ones.
    """
    side = settings.get('min_bbox_size', -1)
    if side > 0:
        raise ValueError(
            f'model.test_cfg.min_bbox_size={side} cannot be exported: it is '
            'in pixels of pictures before they are resized, which the file '
            f'does not see; choose 0, {ALONE}'
        )


def _choose(place: str, value: Any, *choices: Any) -> None:
    if value not in choices:
        raise ValueError(
            f'model.{place}={value!r} cannot be exported; choose from '
            f'{list(choices)}, {ALONE}'
        )


def _check_boxes(model: Any, part: str) -> None:
    head = attrgetter(part)(model)
    check_type(model, f'{part}.bbox_coder', 'DeltaXYWHBBoxCoder')
    _choose(
        f'{part}.bbox_coder.add_ctr_clamp',
        bool(head.bbox_coder.add_ctr_clamp),
        False,
    )
    if getattr(head.loss_cls, 'custom_cls_channels', False):
        loss = type(head.loss_cls).__name__
        raise ValueError(
            f'model.{part}.loss_cls.type={loss!r} cannot be exported: it has '
            f'scores of its own; choose another, {ALONE}'
        )


def _check_extractor(model: Any, part: str) -> None:
    check_type(model, part, 'SingleRoIExtractor')
    check_type(model, f'{part}.roi_layers.0', 'RoIAlign')
    mode = attrgetter(part)(model).roi_layers[0].pool_mode
    _choose(f'{part}.roi_layer.pool_mode', mode, 'avg')


def _check_settings(settings: Any, place: str, *counts: str) -> None:
    nms = dict(settings.get('nms') or {})
    _choose(f'{place}.nms.type', nms.pop('type', 'nms'), 'nms')
    for name in ('iou_threshold', 'split_thr'):
        nms.pop(name, None)
    if nms:
        raise ValueError(
            f'model.{place}.nms with {sorted(nms)} cannot be exported; leave '
            f'them out, {ALONE}'
        )
    for name in counts:
        count = settings.get(name, -1)
        if count < 1:
            raise ValueError(
                f'model.{place}.{name}={count} cannot be exported: a file '
                f'needs a number of boxes, from 1 on, {ALONE}'
            )
