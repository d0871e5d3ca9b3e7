"""The data sets that a config names, for ``tools/check_dataset.py``."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitdense.datasets.audit.label_maps import LabelRule
from vitdense.datasets.audit.sets import (
    TRAIN,
    AnySet,
    CocoSet,
    LabelSet,
    Pair,
)
from vitdense.preflight.coco_file import CocoReader
from vitdense.preflight.config import leaf_datasets, load_config, type_name
from vitdense.preflight.data import Source, check_folders, open_sources
from vitdense.preflight.options import CommonOptions

SPLITS = (TRAIN, 'val', 'test')
# Derived from mmdet's CocoDataset, with files of another format.
OTHER_FORMATS = {'CocoPanopticDataset', 'LVISV05Dataset'}


def sets_of_config(path: str, cfg_options: Mapping[str, Any]) -> list[AnySet]:
    """List the data sets of all splits; what two splits share, once.

    Args:
        path: The config file.
        cfg_options: Settings that replace its own, by dotted key.

    Raises:
        ValueError: If a data set is of another format, or elsewhere.
        FileNotFoundError: If a file or folder is not there.
    """
    cfg = load_config(CommonOptions(config=path, cfg_options=cfg_options))
    found: dict[object, AnySet] = {}
    reader = CocoReader()
    for split in SPLITS:
        sources = open_sources(cfg, [split])
        _check_kinds(leaf_datasets(cfg, split), sources)
        for source in sources:
            if hasattr(source.dataset, 'prepare'):
                source.dataset.prepare()
        check_folders(sources)
        for source in sources:
            # what is trained on is held against all else, itself too
            key = (split == TRAIN, _same_if(source))
            if key in found:
                each = found[key]
                found[key] = replace(
                    each,
                    place=f'{each.place}, {source.place}',
                    splits=(*each.splits, split),
                )
            else:
                found[key] = _of_source(source, split, reader)
    if not found:
        raise ValueError(f'{path}: it names no data set')
    return list(found.values())


def _check_kinds(leaves: Mapping[str, Any], sources: list[Source]) -> None:
    """See that all data sets are of a format that can be checked."""
    known = {each.place for each in sources if _format(each) is not None}
    for place, settings in leaves.items():
        if place not in known:
            raise ValueError(
                f'{place}: {type_name(settings.type)} is of no format that '
                "can be checked; these are COCO's, and folders of label maps"
            )
    for each in sources:
        if each.elsewhere:
            raise ValueError(
                f'{each.place}: its files are not on this machine'
            )


def _format(source: Source) -> str | None:
    dataset = source.dataset
    names = {each.__name__ for each in type(dataset).__mro__}
    if hasattr(dataset, 'COCOAPI') and not names & OTHER_FORMATS:
        return 'coco'
    return 'labels' if 'BaseSegDataset' in names else None


def _same_if(source: Source) -> object:
    """What two data sets have in common if one look is enough for both."""
    dataset = source.dataset
    prefixes = sorted(dataset.data_prefix.items())
    return repr((type(dataset), dataset.ann_file, prefixes, source.classes))


def _of_source(source: Source, split: str, reader: CocoReader) -> AnySet:
    dataset: Any = source.dataset
    place, splits = source.place, (split,)
    root = Path(dataset.data_root) if dataset.data_root else None
    if _format(source) == 'coco':
        key, labelled = f'{place}.ann_file', not dataset.test_mode
        content = reader.read(key, dataset.ann_file, labelled)
        return CocoSet(
            place=place,
            splits=splits,
            file=Path(dataset.ann_file),
            folder=Path(dataset.data_prefix.get('img') or ''),
            root=root,
            content={'annotations': [], **content},
            classes=source.classes,
        )
    listed = Path(dataset.ann_file) if dataset.ann_file else None
    if listed is not None and not listed.exists():
        raise FileNotFoundError(f'{place}.ann_file: no file {str(listed)!r}')
    pairs = list(_pairs(dataset))
    if not pairs:
        raise ValueError(
            f'{place}: no picture {dataset.img_suffix!r} in '
            f'{dataset.data_prefix["img_path"]!r}'
        )
    return LabelSet(
        place=place,
        splits=splits,
        pairs=pairs,
        image_folder=Path(dataset.data_prefix['img_path']),
        label_folder=Path(dataset.data_prefix.get('seg_map_path') or ''),
        root=root,
        rule=LabelRule.of_dataset(dataset, len(source.classes)),
        file=listed if listed is not None and listed.is_file() else None,
        suffix=dataset.img_suffix,
    )


def _pairs(dataset: Any) -> Iterator[Pair]:
    for each in dataset.load_data_list():
        labels = each.get('seg_map_path')
        yield Pair(Path(each['img_path']), Path(labels) if labels else None)
