"""Where models have their number of classes, and how it is set."""

from typing import Any

import pytest
from mmengine.config import Config

from vitdense.preflight.classes import check_num_classes, fit_classes

TWO = ('cup', 'pan')


def config(**model: Any) -> Config:
    return Config({'model': model})


def test_every_head_and_weight_is_set() -> None:
    cfg = config(
        backbone=dict(num_classes=1000),
        rpn_head=dict(num_classes=1),
        roi_head=dict(
            bbox_head=[
                dict(
                    num_classes=80,
                    loss_cls=dict(class_weight=[1.0] * 80 + [0.1]),
                ),
                dict(num_classes=2),
            ],
            mask_head=dict(num_classes=80),
        ),
    )
    changes = fit_classes(cfg, TWO, 'train_dataloader.dataset')
    roi = cfg.model.roi_head
    first, second = roi.bbox_head
    assert (first.num_classes, second.num_classes) == (2, 2)
    assert first.loss_cls.class_weight == [1.0, 1.0, 0.1]
    assert roi.mask_head.num_classes == 2
    assert cfg.model.backbone.num_classes == 1000
    assert cfg.model.rpn_head.num_classes == 1
    assert changes[0] == (
        '--fit-classes: model.roi_head.bbox_head.num_classes=2, where the '
        'config has 80'
    )
    check_num_classes(cfg.model, TWO, 'train_dataloader.dataset')


def test_heads_of_segmenters() -> None:
    cfg = config(
        decode_head=dict(
            num_classes=19,
            out_channels=19,
            loss_decode=[dict(class_weight=[1.0] * 19), dict(type='Dice')],
        ),
        auxiliary_head=[dict(num_classes=19, in_channels=19)],
    )
    fit_classes(cfg, TWO, 'train_dataloader.dataset')
    head = cfg.model.decode_head
    assert (head.num_classes, head.out_channels) == (2, 2)
    assert head.loss_decode[0].class_weight == [1.0, 1.0]
    assert cfg.model.auxiliary_head[0] == dict(num_classes=2, in_channels=19)


def test_panoptic_heads_of_instances_alone() -> None:
    cfg = config(
        panoptic_head=dict(num_things_classes=80, num_stuff_classes=0)
    )
    with pytest.raises(ValueError, match=r'num_things_classes=80'):
        check_num_classes(cfg.model, TWO, 'train_dataloader')
    fit_classes(cfg, TWO, 'train_dataloader')
    assert cfg.model.panoptic_head.num_things_classes == 2


@pytest.mark.parametrize(
    ('head', 'said'),
    [
        (
            dict(num_classes=3, loss=dict(class_weight=[1.0, 2.0, 1.0])),
            r'model.head.loss.class_weight has 3 weights of other classes',
        ),
        (
            dict(num_classes=5, out_channels=1),
            r"model.head.out_channels=1 .*\['cup', 'pan'\]",
        ),
    ],
)
def test_what_cannot_be_set(head: dict[str, Any], said: str) -> None:
    cfg = config(head=head)
    with pytest.raises(ValueError, match=said):
        fit_classes(cfg, TWO, 'train_dataloader')
    assert cfg.model.head == head


def test_data_without_names() -> None:
    with pytest.raises(ValueError, match='names no classes'):
        fit_classes(config(head=dict(num_classes=2)), (), 'train_dataloader')
