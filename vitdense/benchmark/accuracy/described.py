"""What a config's test data are, and what predictions on them are called."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset

from vitdense.checkpoint.reading.digest import digest_file
from vitdense.preflight.data import open_sources

# by import name, those of either stack
LIBRARIES = (
    *(
        'torch',
        'vitdense',
        'onedl-mmengine',
        'onedl-mmcv',
        'onedl-mmdetection',
    ),
    *('onedl-mmsegmentation', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet'),
    *('mmsegmentation', 'pycocotools', 'numpy'),
)
# what predictions depend on
SETTINGS = ('model', 'test_dataloader', 'test_cfg', 'tta_model')


@dataclass(frozen=True)
class TestData:
    """The data that a config tests on.

    Attributes:
        dataset: Built; what it reads is read when it is asked for.
        annotations: COCO's file, or the folder of the truth's label PNGs.
        images: The folder that names of images begin from.
        classes: Their names.
        reduce_zero_label: As `ModelRun` has it.
    """

    __test__ = False  # pytest takes classes named Test... for tests

    dataset: BaseDataset
    annotations: Path
    images: Path
    classes: tuple[str, ...]
    reduce_zero_label: bool

    @property
    def is_detection(self) -> bool:
        """Whether objects are predicted, not label maps."""
        return self.annotations.suffix == '.json'

    def label_maps(self) -> tuple[str, ...]:
        """Names of the truth's label PNGs, in the order of the data."""
        if self.is_detection:
            return ()
        return tuple(
            str(Path(each['seg_map_path']).relative_to(self.annotations))
            for each in map(
                self.dataset.get_data_info, range(len(self.dataset))
            )
        )


def find_data(cfg: Config) -> TestData:
    """The data set that a config tests on.

    Raises:
        ValueError: If it is not a single one of COCO's kind or of label maps.
        FileNotFoundError: If its annotations are not there.
    """
    sources = open_sources(cfg, ['test'])
    if len(sources) != 1:
        raise ValueError(
            f'test_dataloader has {len(sources)} data sets that can be '
            'scored; runs are compared on one'
        )
    place, dataset, _ = sources[0]
    if hasattr(dataset, 'prepare'):
        dataset.prepare()
    prefix = dataset.data_prefix
    segments = 'seg_map_path' in prefix
    truth = prefix['seg_map_path'] if segments else dataset.ann_file
    annotations = Path(truth or '')
    mapped = segments and (dataset.label_map or dataset.ignore_index != 255)
    if mapped:
        raise ValueError(
            f'{place} reads other labels than its files have (label_map, '
            'ignore_index); such data are not scored here'
        )
    if not segments and annotations.suffix != '.json':
        raise ValueError(
            f'{place}.ann_file={truth!r} is no COCO file; write results with '
            'tools/test.py, and name them with --annotations'
        )
    if not annotations.exists():
        raise FileNotFoundError(f'{place}: there is no {truth!r}')
    return TestData(
        dataset,
        annotations,
        Path(prefix.get('img_path') or prefix.get('img') or ''),
        sources[0].classes,
        bool(getattr(dataset, 'reduce_zero_label', False)),
    )


def digest_annotations(data: TestData) -> str:
    """SHA-256 of COCO's file, or of names and sizes of label maps."""
    if data.is_detection:
        return digest_file(data.annotations)
    names = data.label_maps()
    sizes = [(data.annotations / name).stat().st_size for name in names]
    return _digest([names, sizes])


def name_predictions(
    cfg: Config, data: TestData, checkpoint: str, annotations: str
) -> str:
    """What predictions are called: a digest of what they depend on.

    Args:
        cfg: The config.
        data: Its test data.
        checkpoint: Digest of the checkpoint.
        annotations: Digest of the truth.
    """
    settings = {key: cfg.get(key) for key in SETTINGS}
    digest = _digest([checkpoint, annotations, settings])[:16]
    return f'{digest}.json' if data.is_detection else digest


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> Mapping[str, str]:
    """Of Python and what of the libraries is installed."""
    found = {'python': platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
