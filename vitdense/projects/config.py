"""Writes the config of a project: what it inherits, and what it changes."""

import colorsys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from vitdense.preflight.classes import class_heads
from vitdense.projects.choices import Batch, Scale, Schedule, choose_rate
from vitdense.projects.found import DETECTION, CocoPart, Code, Part
from vitdense.projects.heads import BASES, Head
from vitdense.projects.text import assignment, comment

STEPS = """[
            dict(step, **__own_steps.get(step['type'], {{}}))
            for step in _base_.{}_dataloader.dataset.pipeline
        ]"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a config says.

    Attributes:
        head: What is trained.
        backbone: Name of the backbone's base.
        channels: Of its levels.
        classes: Names of the classes.
        train: Pictures to train on.
        val: Pictures to score.
        data: The folder of data.
        folder: The project's folder.
        crop: Height and width of what is trained on, if it is cut out.
        start: A checkpoint to begin from, if any.
        seed: Of the training.
        title: What it is, in words.
    """

    head: Head
    backbone: str
    channels: list[int]
    classes: tuple[str, ...]
    train: Part
    val: Part
    data: str
    folder: str
    crop: tuple[int, int] | None
    start: str | None
    seed: int
    title: str

    @property
    def bases(self) -> list[str]:
        """Files of ``configs/_base_`` that it inherits, but the backbone."""
        fewer = len(self.channels) == 3 and self.head.three_levels
        return list(fewer or self.head.bases)

    def inherited(self) -> Config:
        """What the bases say."""
        lines = [f'{BASES / name}.py' for name in self.bases]
        return Config.fromstring(f'_base_ = {lines!r}', '.py')


def model_text(plan: Plan) -> str:
    """The first part of a config: bases, classes and model."""
    base = plan.inherited()
    names = [f'backbones/{plan.backbone}', *plan.bases]
    classes = {
        'classes': Code(repr(plan.classes))
        if len(repr(plan.classes)) < 50
        else list(plan.classes),
        'palette': list(palette(len(plan.classes))),
    }
    beginning = ''
    if plan.start is not None:
        beginning = (
            comment(
                'The beginning: of classes of the same name all is kept, of '
                'others what does not depend on classes.'
            )
            + assignment('load_from', plan.start)
            + '\n'
        )
    return (
        comment(f'{plan.title} Made by tools/new_project.py; a config as any')
        + assignment('_base_', [f'vitdense::_base_/{n}.py' for n in names])
        + comment('Where the data is, and what was made for it.')
        + assignment('__data', f'{plan.data}/')
        + assignment('__project', f'{plan.folder}/')
        + assignment('work_dir', Code("__project + 'work_dir'"))
        + assignment('randomness', {'seed': plan.seed})
        + '\n'
        + comment('Names in the order of their numbers; a colour for each.')
        + assignment('__own', classes)
        + '\n'
        + comment(
            'Heads are joined to the levels of the backbone, and predict as '
            'many classes as there are.'
        )
        + assignment('model', _model(plan, base))
        + beginning
    )


def _model(plan: Plan, base: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {'backbone': Code("_base_.pop('backbone')")}
    if plan.start is not None:
        # it holds the backbone too: there is nothing to download
        settings['backbone'] = Code(
            "dict(_base_.pop('backbone'), init_cfg=None)"
        )
    if plan.crop is not None:
        settings['data_preprocessor'] = {'size': plan.crop}
    for place, value in _classes(base.model, len(plan.classes)):
        node = settings
        *path, last = place
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    if plan.head.auxiliary:
        settings['decode_head']['in_channels'] = Code('_base_.out_channels')
        settings['auxiliary_head']['in_channels'] = Code(
            "_base_.pop('out_channels')[2]"
        )
        return settings
    neck: dict[str, Any] = {'in_channels': Code("_base_.pop('out_channels')")}
    detects = plan.head.task == DETECTION
    if detects and len(plan.channels) == 3:
        # the levels that the backbone lacks
        neck['add_extra_convs'] = 'on_input'
    settings['neck'] = neck
    return settings


def _classes(
    model: Mapping[str, Any], count: int
) -> Iterator[tuple[list[str], Any]]:
    """Where numbers of classes stand, and what stands there."""
    seen: set[str] = set()
    for head in class_heads(model):
        path = head.place.split('.')[1:]
        several = model
        for key in path:
            several = several[key]
        if isinstance(several, list):
            if head.place not in seen:
                value = Code(
                    f'[dict(each, {head.key}={count}) for each in '
                    f'_base_.{head.place}]'
                )
                yield path, value
            seen.add(head.place)
        else:
            yield [*path, head.key], count


def palette(count: int) -> Iterator[tuple[int, int, int]]:
    """Colours that lie far apart, as red, green, blue up to 255."""
    golden = 0.618033988749895
    for number in range(count):
        colour = colorsys.hsv_to_rgb(
            number * golden % 1, 0.75 if number % 2 else 0.95, 0.9
        )
        red, green, blue = (round(255 * each) for each in colour)
        yield red, green, blue


def data_text(
    plan: Plan, scale: Scale, batch: Batch, schedule: Schedule
) -> str:
    """The second part: data and schedule."""
    detects = plan.head.task == DETECTION
    # long side first, as in COCO's
    size = (scale.long, scale.short)
    steps: dict[str, Any] = {'Resize': {'scale': size}}
    if not detects:
        steps['RandomResize'] = {'scale': size}
        steps['RandomCrop'] = {'crop_size': plan.crop}
        zero = plan.train.settings('train')['reduce_zero_label']
        steps['LoadAnnotations'] = {'reduce_zero_label': zero}
    train = _dataset(plan.train, 'train')
    if detects and min(min(s.size) for s in plan.train.samples) < 32:
        train['filter_cfg'] = {'min_size': 0}
    train['pipeline'] = Code(STEPS.format('train'))
    val = {**_dataset(plan.val, 'val'), 'pipeline': Code(STEPS.format('val'))}
    written = (
        '\n'
        + comment(f'The scale: {scale.why}.')
        + assignment('__own_steps', steps)
        + '\n'
        + comment(f'The batch: {batch.why}.')
        + assignment(
            'train_dataloader', {'batch_size': batch.size, 'dataset': train}
        )
        + assignment('val_dataloader', {'dataset': val})
        + assignment('test_dataloader', Code('val_dataloader'))
    )
    if isinstance(plan.val, CocoPart):
        file = {'ann_file': plan.val.ann_file('val')}
        written += assignment('val_evaluator', file)
        written += assignment('test_evaluator', Code('val_evaluator'))
    else:
        written += assignment(
            'test_pipeline', Code("val_dataloader['dataset']['pipeline']")
        )
        # the base's is for labels that begin at 1
        written += comment('No test-time augmentation (--tta) here.')
        written += assignment('tta_pipeline', None)
    return written + '\n' + _schedule_text(plan, batch, schedule)


def _dataset(part: Part, split: str) -> dict[str, Any]:
    given = part.settings(split)
    return {'data_root': Code('__data'), 'metainfo': Code('__own'), **given}


def _schedule_text(plan: Plan, batch: Batch, schedule: Schedule) -> str:
    base = plan.inherited()
    detects = plan.head.task == DETECTION
    whole = base.auto_scale_lr.base_batch_size
    rate = choose_rate(base.optim_wrapper.optimizer.lr, whole, batch.size)
    length, warmup = schedule.length, schedule.warmup
    course = 'dict(_base_.param_scheduler[-1], begin={}, end={}{})'
    if detects:
        tens = [max(1, length * 2 // 3), max(2, length * 11 // 12)]
        after = course.format(0, length, f', milestones={tens}')
        loop = {'max_epochs': length, 'val_interval': schedule.every}
    else:
        after = course.format(warmup, length, '')
        loop = {'max_iters': length, 'val_interval': schedule.every}
    ramp = {
        'type': 'LinearLR',
        'start_factor': 0.001,
        'by_epoch': False,
        'begin': 0,
        'end': warmup,
    }
    hook = {'interval': schedule.every, 'max_keep_ckpts': 3}
    return (
        comment(
            f'The schedule: {schedule.why}. The learning rate is '
            f'{base.optim_wrapper.optimizer.lr:g} for {whole} pictures a '
            'step, and goes with the root of their number.'
        )
        + assignment('train_cfg', loop)
        + assignment('param_scheduler', [ramp, Code(after)])
        + assignment('optim_wrapper', {'optimizer': {'lr': rate}})
        + assignment('auto_scale_lr', {'base_batch_size': batch.size})
        + assignment('default_hooks', {'checkpoint': hook})
    )
