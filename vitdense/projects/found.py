"""What is found in a folder of data, whatever its layout."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from vitdense.datasets.audit.kinds import Size
from vitdense.datasets.audit.structure import has_masks

DETECTION, SEGMENTATION = 'detection', 'segmentation'
HERE = PurePosixPath()


class Code(str):
    """A piece of a config that is written as it is."""


class Sample(NamedTuple):
    """A picture with its labels.

    Attributes:
        size: Height and width, in pixels.
        classes: Numbers of the classes that it shows.
        sides_px: Of each object, the root of its box's area.
    """

    size: Size
    classes: frozenset[int]
    sides_px: tuple[float, ...] = ()


class Part(ABC):
    """Pictures of a split, or of none yet."""

    samples: Sequence[Sample]

    @abstractmethod
    def subset(self, chosen: Sequence[int]) -> 'Part':
        """Some of the pictures, by number."""

    @abstractmethod
    def files(self, split: str) -> dict[str, str]:
        """Texts that a project needs for it, by path in its folder."""

    @abstractmethod
    def settings(self, split: str) -> dict[str, Any]:
        """What a data set of a config has to be told."""


@dataclass(frozen=True, kw_only=True)
class CocoPart(Part):
    """Pictures with boxes, and maybe masks.

    Attributes:
        content: What the annotation file says.
        folder: Where its pictures are, below the folder of data.
        file: The file, below it too; None if the project has to have it.
        classes: Names of those that are trained.
    """

    content: Mapping[str, Any]
    folder: PurePosixPath = HERE
    file: PurePosixPath | None = None
    classes: tuple[str, ...]
    samples: Sequence[Sample] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {
            each['id']: self.classes.index(each['name'])
            for each in self.content['categories']
            if each['name'] in self.classes
        }
        seen: dict[Any, list[Mapping[str, Any]]] = {
            each['id']: [] for each in self.content['images']
        }
        for each in self.content['annotations']:
            if each['category_id'] in numbers and not each.get('iscrowd'):
                seen[each['image_id']].append(each)
        samples = [
            Sample(
                (image['height'], image['width']),
                frozenset(
                    numbers[a['category_id']] for a in seen[image['id']]
                ),
                tuple(
                    sqrt(max(0.0, a['bbox'][2] * a['bbox'][3]))
                    for a in seen[image['id']]
                ),
            )
            for image in self.content['images']
        ]
        object.__setattr__(self, 'samples', samples)

    @property
    def has_masks(self) -> bool:
        """Whether objects have masks."""
        return has_masks(self.content)

    def subset(self, chosen: Sequence[int]) -> 'CocoPart':
        """Some of the pictures, by number."""
        images = [self.content['images'][index] for index in chosen]
        kept = {each['id'] for each in images}
        annotations = [
            each
            for each in self.content['annotations']
            if each['image_id'] in kept
        ]
        lists = {'images': images, 'annotations': annotations}
        return replace(self, content={**self.content, **lists}, file=None)

    def files(self, split: str) -> dict[str, str]:
        """The annotation file, unless the data has it."""
        if self.file is not None:
            return {}
        return {f'annotations/{split}.json': json.dumps(self.content) + '\n'}

    def settings(self, split: str) -> dict[str, Any]:
        """Where annotations and pictures are."""
        return {
            'ann_file': self.ann_file(split),
            'data_prefix': {'img': f'{self.folder}/'},
        }

    def ann_file(self, split: str) -> Code:
        """The annotation file's path, as an expression."""
        if self.file is None:
            return Code(f"__project + 'annotations/{split}.json'")
        return Code(f'__data + {str(self.file)!r}')


@dataclass(frozen=True, kw_only=True)
class LabelPart(Part):
    """Pictures with label maps.

    Attributes:
        names: Paths of the pictures below their folder, without suffix.
        folder: Where the pictures are, below the folder of data.
        label_folder: Where the label maps are.
        suffix: That of the pictures.
        samples: What they show.
        reduce_zero_label: Whether label 0 is no class.
    """

    names: Sequence[str]
    folder: PurePosixPath
    label_folder: PurePosixPath
    suffix: str
    samples: Sequence[Sample]
    reduce_zero_label: bool

    def subset(self, chosen: Sequence[int]) -> 'LabelPart':
        """Some of the pictures, by number."""
        return replace(
            self,
            names=[self.names[index] for index in chosen],
            samples=[self.samples[index] for index in chosen],
        )

    def files(self, split: str) -> dict[str, str]:
        """The list of its pictures."""
        return {f'splits/{split}.txt': '\n'.join(self.names) + '\n'}

    def settings(self, split: str) -> dict[str, Any]:
        """Where lists, pictures and label maps are."""
        return {
            'type': 'BaseSegDataset',
            'ann_file': Code(f"__project + 'splits/{split}.txt'"),
            'data_prefix': {
                'img_path': str(self.folder),
                'seg_map_path': str(self.label_folder),
            },
            'img_suffix': self.suffix,
            'seg_map_suffix': '.png',
            'reduce_zero_label': self.reduce_zero_label,
        }


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that is found.

    Attributes:
        root: The folder of data.
        layout: What its layout is called.
        classes: Names, in the order of their numbers.
        parts: Pictures by split; under no name those of no split.
        notes: What a user should know.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    notes: tuple[str, ...] = ()
