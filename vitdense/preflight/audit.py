"""From options to the data sets that ``tools/check_dataset.py`` looks at."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vitdense.datasets.audit.label_maps import LabelRule
from vitdense.datasets.audit.sets import AnySet, CocoSet, LabelSet, Pair
from vitdense.preflight.coco_file import CocoReader

PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Which data sets are looked at: of a config, or one by its files.

    Attributes:
        config: Path of a config file.
        cfg_options: Settings that replace the config's, by dotted key.
        coco: An annotation file of COCO's format.
        masks: A folder of label maps.
        images: The folder of the pictures of either.
        classes: How many classes the label maps have, if it is known.
        ignore_index: The label that stands for no class.
        reduce_zero_label: Whether label 0 stands for no class, and 1 for the
            first.
    """

    config: str | None = None
    cfg_options: Mapping[str, Any] | None = None
    coco: str | None = None
    masks: str | None = None
    images: str | None = None
    classes: int | None = None
    ignore_index: int | None = None
    reduce_zero_label: bool = False

    @classmethod
    def of(cls, args: Namespace) -> 'AuditOptions':
        """Take the options of this name from a parsed command line."""
        return cls(
            **{each.name: getattr(args, each.name) for each in fields(cls)}
        )


def open_sets(options: AuditOptions) -> list[AnySet]:
    """List what the options name; annotation files are read, pictures not.

    Raises:
        ValueError: If options do not go together, or a file or a data set is
            of another format.
        FileNotFoundError: If a file or folder is not there.
    """
    _check(options)
    if options.config is not None:
        # reading configs takes seconds to import
        from vitdense.preflight.audit_config import sets_of_config

        return sets_of_config(options.config, options.cfg_options or {})
    images = _folder('--images', str(options.images))
    if options.coco is not None:
        return [_of_file(Path(options.coco), images)]
    masks = _folder('--masks', str(options.masks))
    ignored = 255 if options.ignore_index is None else options.ignore_index
    rule = LabelRule.of_classes(
        options.classes, ignored, options.reduce_zero_label
    )
    return [_of_folders(masks, images, rule)]


def _check(options: AuditOptions) -> None:
    ways = {
        'CONFIG': options.config,
        '--coco': options.coco,
        '--masks': options.masks,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f'{given or "nothing"} given; give one of {[*ways]}')
    (way,) = given
    belongs = {
        '--images': ('--coco --masks', options.images),
        '--cfg-options': ('CONFIG', options.cfg_options),
        '--classes': ('--masks', options.classes),
        '--ignore-index': ('--masks', options.ignore_index),
        '--reduce-zero-label': ('--masks', options.reduce_zero_label or None),
    }
    for option, (of, value) in belongs.items():
        if value is not None and way not in of:
            raise ValueError(f'{option} goes with {of}, not with {way}')
    if way != 'CONFIG' and options.images is None:
        raise ValueError(f'{way} needs --images, the folder of the pictures')
    if options.classes is not None and options.classes < 1:
        raise ValueError(f'--classes={options.classes} is not positive')


def _folder(key: str, name: str) -> Path:
    path = Path(name)
    if not path.is_dir():
        raise FileNotFoundError(f'{key}: no folder {name!r}')
    return path


def _of_file(file: Path, images: Path) -> CocoSet:
    if find_spec('pycocotools') is None:
        raise ImportError('--coco needs pycocotools, which comes with mmdet')
    content = CocoReader().read('--coco', str(file))
    return CocoSet(place=file.name, file=file, folder=images, content=content)


def _of_folders(masks: Path, images: Path, rule: LabelRule) -> LabelSet:
    pictures = _by_stem(images, PICTURES)
    maps = _by_stem(masks, ('.png',))
    if not pictures.keys() & maps.keys():
        raise ValueError(
            f'no picture of {str(images)!r} ({len(pictures)}) has the name of '
            f'a label map, .png, of {str(masks)!r} ({len(maps)})'
        )
    suffix = next(iter(pictures.values())).suffix
    pairs = [
        Pair(
            pictures.get(stem, images / f'{stem}{suffix}'),
            maps.get(stem, masks / f'{stem}.png'),
        )
        for stem in sorted(pictures.keys() | maps.keys())
    ]
    return LabelSet(
        place=masks.name,
        pairs=pairs,
        image_folder=images,
        label_folder=masks,
        rule=rule,
    )


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder and those below, by path without its suffix."""
    return {
        str(path.relative_to(folder).with_suffix('')): path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in suffixes
    }
