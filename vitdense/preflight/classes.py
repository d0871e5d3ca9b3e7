"""Where a model's settings have its number of classes; sees or sets it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

# region proposals are objects or ground, whatever their class
NOT_OF_CLASSES = ('backbone', 'rpn_head')
# what a message lists of a thousand
LISTED = 100


class ClassHead(NamedTuple):
    """A part of a model that predicts classes.

    Attributes:
        place: Where in the config it is.
        settings: What it is built from.
        key: The key of its number of classes.
    """

    place: str
    settings: dict[str, Any]
    key: str


def class_heads(
    model: Mapping[str, Any], place: str = 'model'
) -> Iterator[ClassHead]:
    """The parts of a model that predict classes.

    Args:
        model: What the model is built from.
        place: Where in the config it is.
    """
    for key, value in model.items():
        if key in NOT_OF_CLASSES:
            continue
        instances = key == 'num_things_classes'  # panoptic heads can be both
        if key == 'num_classes' or (
            instances and model.get('num_stuff_classes') == 0
        ):
            yield ClassHead(place, model, key)  # type: ignore[arg-type]
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict):
                yield from class_heads(child, f'{place}.{key}')


def check_num_classes(
    model: Mapping[str, Any], classes: Sequence[str], data: str
) -> None:
    """See that every head predicts as many classes as a data set has.

    Args:
        model: What the model is built from.
        classes: The data set's classes; none says nothing.
        data: Where in the config the data set is.

    Raises:
        ValueError: If one does not, naming it.
    """
    for place, settings, key in class_heads(model):
        if classes and settings[key] != len(classes):
            raise ValueError(
                f'{place}.{key}={settings[key]}, but {data} has '
                f'{len(classes)} classes: {_listed(classes)}; --fit-classes '
                'sets it'
            )


def fit_classes(cfg: Config, classes: Sequence[str], data: str) -> list[str]:
    """Have every head of a model predict the classes of a data set.

    Args:
        cfg: Changed in place.
        classes: The data set's classes.
        data: Where in the config the data set is.

    Returns:
        What was changed.

    Raises:
        ValueError: If the data set names no classes, or weights of classes
            in a loss differ: those are of other classes.
    """
    if not classes:
        raise ValueError(f'--fit-classes: {data} names no classes')
    changes = []
    for head in class_heads(cfg.model):
        before = head.settings[head.key]
        if before == len(classes):
            continue
        for place, loss in _weighted_losses(head):
            weights = loss['class_weight']
            if len(set(weights[:before])) > 1:
                raise ValueError(
                    f'--fit-classes: {place}.class_weight has {before} '
                    'weights of other classes, which differ; set it to '
                    f'{len(classes)} weights with --cfg-options, and '
                    f'{head.place}.{head.key}={len(classes)}'
                )
        if head.settings.get('out_channels') == 1:
            raise ValueError(
                f'--fit-classes: {head.place}.out_channels=1 tells two '
                f'classes apart, but {data} has {len(classes)}: '
                f'{_listed(classes)}'
            )
        set_num_classes(head, len(classes))
        changes.append(
            f'--fit-classes: {head.place}.{head.key}={len(classes)}, where '
            f'the config has {before}'
        )
    return changes


def set_num_classes(head: ClassHead, count: int) -> None:
    """Set a head's number of classes, and what goes with it.

    That is mmseg's ``out_channels`` where it counts classes, and weights of
    classes in losses, all of which become the first class's.

    Args:
        head: Changed in place.
        count: The number of classes.
    """
    settings, key = head.settings, head.key
    before = settings[key]
    if settings.get('out_channels') in (before, 1):
        settings['out_channels'] = count
    for _, loss in _weighted_losses(head):
        weights = loss['class_weight']
        loss['class_weight'] = [weights[0]] * count + list(weights[before:])
    settings[key] = count


def _weighted_losses(head: ClassHead) -> Iterator[tuple[str, dict[str, Any]]]:
    """A head's losses that weigh classes, and maybe the background last."""
    count = head.settings[head.key]
    for key, value in head.settings.items():
        for child in value if isinstance(value, list) else [value]:
            weights = isinstance(child, dict) and child.get('class_weight')
            if isinstance(weights, list | tuple) and len(weights) - count in (
                0,
                1,
            ):
                yield f'{head.place}.{key}', child


def _listed(classes: Sequence[str]) -> str:
    return str([*classes[:LISTED], *['...'] * (len(classes) > LISTED)])
