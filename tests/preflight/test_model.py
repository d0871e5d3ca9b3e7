"""What is held of a model against its backbone, its data and itself."""

from typing import Any

import pytest
from small_runs import DETECTOR
from torch import nn

import vitdense
from vitdense.preflight.classes import check_num_classes
from vitdense.preflight.config import load_config
from vitdense.preflight.model import check_frozen, check_parts
from vitdense.preflight.options import CommonOptions


class Backbone(nn.Module):
    """Declares levels."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.out_channels = channels


def model(channels: tuple[int, ...]) -> nn.Module:
    """A model whose backbone outputs levels of these channels."""
    made = nn.Module()
    made.backbone = Backbone(channels)
    return made


@pytest.mark.parametrize(
    'head',
    [
        # as Mask2Former of mmseg: all levels, by their order
        dict(type='Mask2FormerHead', in_channels=[8, 16]),
        dict(type='FCNHead', in_channels=16, in_index=1),
        dict(type='FCNHead', in_channels=16),
        # a head that is fed by another
        dict(type='PointHead'),
    ],
)
def test_heads_that_fit(head: dict[str, Any]) -> None:
    settings = dict(backbone={}, decode_head=head)
    check_parts(model((8, 16)), settings)


def test_a_head_that_does_not_fit() -> None:
    head = dict(type='Mask2FormerHead', in_channels=[8, 32])
    with pytest.raises(ValueError, match=r'decode_head.in_channels=\[8, 32\]'):
        check_parts(model((8, 16)), dict(backbone={}, decode_head=head))


def test_region_proposals_have_classes_of_their_own() -> None:
    """As in mmdet's Faster R-CNN with an FCOS head as RPN."""
    settings = dict(
        backbone=dict(num_classes=1000),
        rpn_head=dict(type='FCOSHead', num_classes=1),
        roi_head=dict(bbox_head=dict(num_classes=2)),
    )
    check_num_classes(settings, ('a', 'b'), 'train_dataloader')
    with pytest.raises(ValueError, match=r'roi_head.bbox_head.num_classes=2'):
        check_num_classes(settings, ('a',), 'train_dataloader')


@pytest.mark.parametrize(
    'option',
    [
        'train_dataloader.dataset.pipeline.9.type',
        'param_scheduler.begin.end',
        'train_cfg.max_epochs.x',
    ],
)
def test_an_option_that_leads_nowhere(option: str) -> None:
    options = CommonOptions(config=str(DETECTOR), cfg_options={option: 1})
    with pytest.raises((ValueError, LookupError, TypeError)) as told:
        load_config(options)
    assert str(told.value.args[0]).startswith(f'--cfg-options {option}: ')


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'tune': 'none'}, "model.backbone.tune='none' would keep random"),
        ({'tune': 'attention'}, "tune='attention' .*--init-from or load_from"),
        (
            {'frozen_stages': 1},
            'frozen_stages=1 would keep .*frozen_stages=-1',
        ),
        ({'frozen_stages': 0}, None),
        ({}, None),
    ],
)
def test_frozen_without_weights(
    options: dict[str, Any], said: str | None
) -> None:
    made = nn.Module()
    arch = dict(dim=16, depth=1, heads=2)
    made.backbone = vitdense.ViT(arch, **options)
    if said is None:
        check_frozen(made)
        return
    with pytest.raises(ValueError, match=said):
        check_frozen(made)
    made.backbone.base_loaded = True
    check_frozen(made)
