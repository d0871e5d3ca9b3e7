"""Backbones and heads that a project can have, as the configs' bases."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from mmengine.config import Config

from vitdense.preflight.ready_configs import CONFIGS
from vitdense.projects.found import DETECTION, SEGMENTATION

BASES = CONFIGS / '_base_'


@dataclass(frozen=True)
class Head:
    """A detector or segmentor without its backbone.

    Attributes:
        task: 'detection' or 'segmentation'.
        bases: Files of ``configs/_base_`` that make it.
        masks: Whether it learns masks of objects.
        three_levels: What takes the place of ``bases`` for backbones that
            end at stride 16; none if they do.
        auxiliary: Whether heads read the backbone, without a neck.
    """

    task: str
    bases: tuple[str, ...]
    masks: bool = False
    three_levels: tuple[str, ...] = ()
    auxiliary: bool = False


def _detector(model: str, data: str) -> tuple[str, ...]:
    return (
        f'models/{model}',
        f'datasets/{data}',
        'schedules/step_1x',
        'det_runtime',
    )


HEADS: Mapping[str, Head] = MappingProxyType(
    {
        'retinanet': Head(
            DETECTION, _detector('retinanet_fpn', 'coco_detection')
        ),
        'mask-rcnn': Head(
            DETECTION, _detector('mask-rcnn_fpn', 'coco_instance'), masks=True
        ),
        'cascade-mask-rcnn': Head(
            DETECTION,
            _detector('cascade-mask-rcnn_fpn', 'coco_instance'),
            masks=True,
        ),
        'semantic-fpn': Head(
            SEGMENTATION,
            ('recipes/semantic-fpn_4xb4-80k_ade20k-512x512',),
            three_levels=(
                'recipes/semantic-fpn_3-levels_4xb4-80k_ade20k-512x512',
            ),
        ),
        'upernet': Head(
            SEGMENTATION,
            ('recipes/upernet_8xb2-160k_ade20k-512x512',),
            three_levels=(
                'recipes/upernet_3-levels_8xb2-160k_ade20k-512x512',
            ),
            auxiliary=True,
        ),
    }
)


def known_backbones() -> list[str]:
    """Names of backbones that configs have a base for."""
    return sorted(each.stem for each in (BASES / 'backbones').glob('*.py'))


def channels_of(backbone: str) -> list[int]:
    """Channels of a backbone's levels.

    Raises:
        ValueError: If there is no such backbone, naming the nearest.
    """
    known = known_backbones()
    if backbone not in known:
        near = get_close_matches(backbone, known, n=3, cutoff=0.5) or known
        raise ValueError(
            f'--backbone: there is no {backbone!r}; the nearest are {near}'
        )
    path = BASES / 'backbones' / f'{backbone}.py'
    channels: list[int] = Config.fromfile(path).out_channels
    return channels


def choose_head(name: str | None, task: str, masks: bool) -> tuple[str, Head]:
    """The head that is named, or the one that suits the data.

    Args:
        name: Its name, or None.
        task: 'detection' or 'segmentation'.
        masks: Whether the data has masks of all objects.

    Raises:
        ValueError: If it is none of the task, or learns masks that are not
            there.
    """
    if name is None:
        boxes = 'mask-rcnn' if masks else 'retinanet'
        name = boxes if task == DETECTION else 'semantic-fpn'
    known = [each for each, head in HEADS.items() if head.task == task]
    if name not in known:
        raise ValueError(
            f'--head: {name!r} is none of {task}; choose from {known}'
        )
    head = HEADS[name]
    if head.masks and not masks:
        raise ValueError(
            f'--head: {name!r} learns masks, and the data has boxes alone; '
            "choose 'retinanet'"
        )
    return name, head
