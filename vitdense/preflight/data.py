"""Refuses data sets that are not there, or not what the config says."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from inspect import isclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from PIL import Image

from vitdense.datasets.audit.label_maps import LabelRule
from vitdense.preflight.classification import (
    check_class_folders,
    check_same_classes,
    class_folders,
    has_class_folders,
)
from vitdense.preflight.cli import named
from vitdense.preflight.coco_entries import check_entries
from vitdense.preflight.coco_file import (
    CocoReader,
    check_images,
    check_labels,
    is_elsewhere,
)
from vitdense.preflight.config import evaluators, leaf_datasets
from vitdense.preflight.readers import parameters, resolve

# Reading all 20,210 label maps of ADE20K takes minutes; these take seconds.
MAX_LABEL_MAPS = 500


class Source(NamedTuple):
    """A data set of the config, inside any wrappers.

    Attributes:
        place: Where in the config it is.
        dataset: Built, but with nothing read yet.
        elsewhere: Whether its files lie not on this machine.
    """

    place: str
    dataset: BaseDataset
    elsewhere: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; none if it does not say."""
        named = self.dataset.metainfo.get('classes')
        if not named and has_class_folders(self.dataset):
            return class_folders(self.dataset)
        return tuple(named or ())


def open_sources(cfg: Config, splits: Sequence[str]) -> list[Source]:
    """Build the data sets of some splits without reading anything.

    A class that is none of mmengine's data sets is left to itself.

    Args:
        cfg: The config.
        splits: Some of 'train', 'val', 'test'.
    """
    found = []
    for split in splits:
        for place, settings in leaf_datasets(cfg, split).items():
            kinds = resolve(settings.type)
            lazily = [k for k in kinds if _may_wait(k)]
            if kinds and lazily == kinds:
                with named(place):
                    dataset = DATASETS.build({**settings, 'lazy_init': True})
                paths = (dataset.data_root, dataset.ann_file)
                away = is_elsewhere(
                    f'{paths}{dataset.data_prefix}', *_backends(settings)
                )
                found.append(Source(place, dataset, away))
    return found


def _may_wait(kind: Any) -> bool:
    """Whether a data set's class builds without reading anything."""
    if not isclass(kind) or not issubclass(kind, BaseDataset):
        return False
    names, closed = parameters(kind)
    return 'lazy_init' in names or not closed


def _backends(node: Any) -> Iterator[Mapping[str, Any] | None]:
    """How a data set and its pipeline read files."""
    if isinstance(node, Mapping):
        yield from (node.get('backend_args'), node.get('file_client_args'))
        node = list(node.values())
    for each in node if isinstance(node, list | tuple) else ():
        yield from _backends(each)


def check_folders(sources: Sequence[Source]) -> None:
    """See that folders are there, but those of data yet to be made.

    Raises:
        FileNotFoundError: If one is missing.
        ValueError: If one is empty, or those of classes do not fit.
    """
    for source in sources:
        if not hasattr(source.dataset, 'prepare'):
            _check_folders(source)
    of_classes = [
        source
        for source in sources
        if has_class_folders(source.dataset) and not source.elsewhere
    ]
    for source in of_classes:
        check_class_folders(source.place, source.dataset)
        check_same_classes(of_classes[0].dataset, source.place, source.dataset)


def _check_folders(source: Source) -> None:
    place, dataset, elsewhere = source
    folders = {f'{place}.data_root': dataset.data_root}
    for key, folder in dataset.data_prefix.items():
        folders[f'{place}.data_prefix.{key}'] = folder
    for key, folder in folders.items():
        if elsewhere or not folder:
            continue
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'{key}: no folder {folder!r}')
        if next(Path(folder).iterdir(), None) is None:
            raise ValueError(f'{key}: the folder {folder!r} is empty')


def check_files(
    cfg: Config, splits: Sequence[str], sources: Sequence[Source]
) -> None:
    """Have data made that makes itself, then look at labels and pictures.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If the annotations are not what the config says.
    """
    reader = CocoReader()
    for source in sources:
        place, dataset, elsewhere = source
        if hasattr(dataset, 'prepare'):
            dataset.prepare()
            _check_folders(source)
        if _is_coco(dataset):
            _check_coco(source, reader)
        elif (
            'seg_map_path' in dataset.data_prefix
            and source.classes
            and not elsewhere
        ):
            _check_label_maps(place, dataset, len(source.classes))
    in_coco = {
        source.place.partition('_')[0]
        for source in sources
        if _is_coco(source.dataset)
    }
    for split in splits:
        for evaluator in evaluators(cfg, split):
            if evaluator.get('ann_file') and split in in_coco:
                _check_scored(f'{split}_evaluator', evaluator, reader)


def _is_coco(dataset: Any) -> bool:
    """Whether it reads COCO's files of instances: others have COCO in their
    names too, and other entries."""
    api = getattr(dataset, 'COCOAPI', None)
    return api is not None and api.__name__ == 'COCO'


def _check_scored(
    place: str, evaluator: Mapping[str, Any], reader: CocoReader
) -> None:
    key, path = f'{place}.ann_file', evaluator['ann_file']
    labelled = not evaluator.get('format_only')
    content = reader.read(
        key,
        path,
        labelled=labelled,
        backend_args=evaluator.get('backend_args'),
    )
    masks = 'segm' in str(evaluator.get('metric'))
    check_entries(key, path, content, masks=masks, scored=labelled)


def _check_coco(source: Source, reader: CocoReader) -> None:
    key, dataset = f'{source.place}.ann_file', source.dataset
    path = dataset.ann_file
    content = reader.read(
        key,
        path,
        labelled=not dataset.test_mode,
        backend_args=dataset.backend_args,
    )
    masks = any(
        getattr(each, 'with_mask', False)
        for each in dataset.pipeline.transforms
    )
    check_entries(key, path, content, masks=masks)
    check_labels(key, path, content, source.classes)
    if not source.elsewhere:
        check_images(key, path, content, dataset.data_prefix['img'])


def _check_label_maps(place: str, dataset: Any, num_classes: int) -> None:
    pairs: list[dict[str, Any]] = dataset.load_data_list()
    if not pairs:
        raise ValueError(
            f'{place}: no picture {dataset.img_suffix!r} in '
            f'{dataset.data_prefix["img_path"]!r}'
        )
    for pair in pairs:
        for path in (pair['img_path'], pair['seg_map_path']):
            if not Path(path).is_file():
                raise FileNotFoundError(f'{place}: no file {path!r}')
    rule = LabelRule.of_dataset(dataset, num_classes)
    every = -(-len(pairs) // MAX_LABEL_MAPS)
    checked = pairs[::every]
    for pair in checked:
        path = pair['seg_map_path']
        with named(f'{place}: {path!r}'):
            labels = np.asarray(Image.open(path))
        if labels.ndim != 2:
            raise ValueError(
                f'{place}: {path!r} has {labels.shape[-1]} channels; a label '
                'map has one'
            )
        wrong = labels[rule.outside(labels)]
        if wrong.size:
            raise ValueError(
                f'{place}: {path!r} has label {wrong.max()}, outside the '
                f'classes; choose from {rule}'
            )
    print_log(
        f'{place}: the labels of {len(checked)} of {len(pairs)} pictures '
        'are within the classes',
        logger='current',
        level=logging.INFO,
    )
