"""Makes a project: reads data, chooses, checks all, and then writes."""

import os
import shutil
import tempfile
from argparse import Namespace
from dataclasses import dataclass, fields
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from vitdense.checkpoint.matching.classes import numbered_names
from vitdense.preflight.fine_tuning import begin_from
from vitdense.preflight.model import check_exists, check_parts, read_checkpoint
from vitdense.projects.choices import (
    choose_batch,
    choose_scale,
    choose_schedule,
    memory_here,
)
from vitdense.projects.config import Plan, data_text, model_text
from vitdense.projects.found import DETECTION, CocoPart, Found
from vitdense.projects.heads import channels_of, choose_head
from vitdense.projects.layouts import read
from vitdense.projects.layouts.layout import Ask
from vitdense.projects.split import split

VAL_FRACTION = 0.2


@dataclass(frozen=True, kw_only=True)
class ProjectOptions:
    """What is asked of a project.

    Attributes:
        name: Its folder, whose last part is its name.
        task: 'detection' or 'segmentation'.
        data: The folder of data.
        backbone: Name of a base in ``configs/_base_/backbones``.
        head: Name of a head; None for the one that suits the data.
        start: A checkpoint to begin from.
        classes_of_checkpoint: A text file with the names of its classes.
        classes: A text file with names of classes.
        reduce_zero_label: Whether label 0 of label maps is no class.
        val_fraction: The part of pictures that is scored; given, splits of
            the data do not count.
        seed: Of split and training.
        memory_gb: Memory that training may use; None for this machine's.
    """

    name: str
    task: str
    data: str
    backbone: str
    head: str | None = None
    start: str | None = None
    classes_of_checkpoint: str | None = None
    classes: str | None = None
    reduce_zero_label: bool = False
    val_fraction: float | None = None
    seed: int = 0
    memory_gb: float | None = None

    @classmethod
    def of(cls, args: Namespace) -> 'ProjectOptions':
        """Take the options of this name from a parsed command line."""
        return cls(**{f.name: getattr(args, f.name) for f in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Project:
    """What was made.

    Attributes:
        config: The config file.
        checkpoint: Where the trained model will be.
        files: Texts of all its files, by path in its folder.
        notes: What a user should know.
    """

    config: Path
    checkpoint: Path
    files: dict[str, str]
    notes: list[str]


def plan_project(options: ProjectOptions) -> Project:
    """Read the data, choose, and check all that can be, before training.

    Raises:
        ValueError, OSError: If something cannot be used, naming it.
    """
    folder = Path(options.name).absolute()
    _check(options, folder)
    channels = channels_of(options.backbone)
    names = _names_of(options.classes)
    anew = options.val_fraction is not None
    ask = Ask(
        names=names, reduce_zero_label=options.reduce_zero_label, pool=anew
    )
    found = read(options.data, options.task, ask)
    numbered_names(found.classes, 'the classes of --data')
    if options.task != DETECTION and len(found.classes) < 2:
        raise ValueError(
            f'--data: {list(found.classes)} is one class; segmentation tells '
            'at least two apart, such as background'
        )
    fraction = VAL_FRACTION
    if options.val_fraction is not None:
        fraction = options.val_fraction
    train, val, notes = split(found, fraction, options.seed, anew)
    masks = isinstance(train, CocoPart) and train.has_masks
    head_name, head = choose_head(options.head, options.task, masks)
    scale = choose_scale(train.samples, options.task)
    crop = None
    if options.task != DETECTION:
        crop = (scale.short, scale.short)
    plan = Plan(
        head=head,
        backbone=options.backbone,
        channels=channels,
        classes=found.classes,
        train=train,
        val=val,
        data=str(found.root),
        folder=str(folder),
        crop=crop,
        start=options.start and str(Path(options.start).absolute()),
        seed=options.seed,
        title=(
            f'{head_name} with {options.backbone}, {len(found.classes)} '
            f'classes, data in {found.layout}.'
        ),
    )
    first = model_text(plan)
    model = _built(first, options, found)
    hw = crop or (scale.short, scale.long)
    memory = options.memory_gb
    bytes_here = memory_here() if memory is None else round(memory * 1e9)
    count = len(train.samples)
    batch = choose_batch(model, hw, count, options.task, bytes_here)
    schedule = choose_schedule(
        count, batch.size, options.task, options.start is not None
    )
    last = 'epoch' if options.task == DETECTION else 'iter'
    said = (
        f'{plan.title} {count} pictures to train on, {len(val.samples)} to '
        'score'
    )
    return Project(
        config=folder / f'{folder.name}.py',
        checkpoint=folder / 'work_dir' / f'{last}_{schedule.length}.pth',
        files={
            f'{folder.name}.py': first
            + data_text(plan, scale, batch, schedule),
            **train.files('train'),
            **val.files('val'),
        },
        notes=[said, *found.notes, *notes],
    )


def _check(options: ProjectOptions, folder: Path) -> None:
    if (
        not folder.name.isidentifier()
        and not folder.name.replace('-', '_').replace('.', '_').isidentifier()
    ):
        raise ValueError(
            f'{options.name!r}: a project is named with letters, digits, - '
            'and _'
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f'{options.name!r} is there already; nothing is overwritten'
        )
    fraction = options.val_fraction
    if fraction is not None and not 0 < fraction < 1:
        raise ValueError(f'--val-fraction={fraction} is not between 0 and 1')
    if options.seed < 0:
        raise ValueError(f'--seed={options.seed} is negative')
    if options.memory_gb is not None and not options.memory_gb > 0:
        raise ValueError(f'--memory-gb={options.memory_gb} is not positive')
    if options.start is not None:
        check_exists(options.start)
    elif options.classes_of_checkpoint is not None:
        raise ValueError('--classes-of-checkpoint goes with --from')


def _names_of(file: str | None) -> list[str] | None:
    if file is None:
        return None
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f'--classes: no file {file!r}')
    lines = path.read_text(encoding='utf-8').splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise ValueError(f'--classes: {file!r} has no names')
    return names


def _built(text: str, options: ProjectOptions, found: Found) -> nn.Module:
    """Build the model, and hold the checkpoint against it."""
    cfg = Config.fromstring(text, '.py')
    cfg.model.backbone.init_cfg = None
    init_default_scope(cfg.default_scope)
    model: nn.Module = MODELS.build(cfg.model)
    check_parts(model, cfg.model)
    if options.start is not None:
        begin_from(
            model,
            cfg.model,
            options.start,
            read_checkpoint(options.start),
            found.classes,
            options.classes_of_checkpoint,
        )
    return model


def write_project(project: Project) -> None:
    """Write all files of a project; its folder appears when it is whole."""
    folder = project.config.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(
        tempfile.mkdtemp(prefix=f'.{folder.name}-', dir=folder.parent)
    )
    try:
        for name, text in project.files.items():
            path = scratch / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding='utf-8')
        scratch.chmod(0o755)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
