"""The data sets that are looked at, and what was seen of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vitdense.datasets.audit.kinds import Fault, Finding
from vitdense.datasets.audit.label_maps import LabelRule
from vitdense.datasets.audit.pictures import Picture
from vitdense.datasets.audit.structure import entries

TRAIN = 'train'


@dataclass(frozen=True, kw_only=True)
class CocoSet:
    """Pictures with an annotation file of COCO's format.

    Attributes:
        place: What names it: places in a config, or the file.
        splits: Which it is of: 'train', 'val', 'test', or none.
        file: The annotation file.
        folder: Where its pictures are.
        root: The folder that holds all of it, where a config names one.
        content: What the file says, with COCO's three lists.
        classes: Those of the config; empty for all of the file.
    """

    place: str
    splits: tuple[str, ...] = ()
    file: Path
    folder: Path
    root: Path | None = None
    content: Mapping[str, Any]
    classes: Sequence[str] = ()

    def path(self, image: Mapping[str, Any]) -> Path | None:
        """Where the picture of an entry is; None if it does not say."""
        name = image.get('file_name')
        return self.folder / name if isinstance(name, str) else None

    def pictures(self) -> list[Path]:
        """The pictures, each once."""
        paths = (
            self.path(each) for _, each in entries(self.content, 'images')
        )
        return list(dict.fromkeys(path for path in paths if path is not None))

    def folders(self) -> list[Path]:
        """Where its files are."""
        return [self.folder, self.file.parent]

    def describe(self) -> str:
        """What it has, in words."""
        images, annotations = (
            len(self.content[name]) for name in ('images', 'annotations')
        )
        return f'{images} images, {annotations} annotations of {self.file}'


class Pair(NamedTuple):
    """A picture and its label map, None for pictures to test on alone."""

    image: Path
    labels: Path | None


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """Pictures with label maps.

    Attributes:
        place: What names it: places in a config, or the folder.
        splits: Which it is of: 'train', 'val', 'test', or none.
        pairs: The pictures and their label maps.
        image_folder: Where the pictures are.
        label_folder: Where the label maps are.
        root: The folder that holds all of it, where a config names one.
        rule: Which labels the maps may have.
        file: A list of the pictures' names, if there is one.
        suffix: What the names on the list lack.
    """

    place: str
    splits: tuple[str, ...] = ()
    pairs: Sequence[Pair]
    image_folder: Path
    label_folder: Path
    root: Path | None = None
    rule: LabelRule
    file: Path | None = None
    suffix: str = ''

    def pictures(self) -> list[Path]:
        """The pictures."""
        return [pair.image for pair in self.pairs]

    def folders(self) -> list[Path]:
        """Where its files are."""
        found = [self.image_folder, self.label_folder]
        return [*found, self.file.parent] if self.file else found

    def describe(self) -> str:
        """What it has, in words."""
        return (
            f'{len(self.pairs)} images with label maps of {self.label_folder}'
        )


AnySet = CocoSet | LabelSet
Looks = Mapping[Path, Picture | Fault]


@dataclass
class Checked:
    """A data set, and what was seen.

    Attributes:
        data: The data set.
        findings: What is wrong.
        looks: Its pictures, or what is wrong with the file; none of them if
            files of pixels were left out.
        shared: Its pictures that are those of validation, if it is training.
    """

    data: AnySet
    findings: list[Finding] = field(default_factory=list)
    looks: Looks = field(default_factory=dict)
    shared: set[Path] = field(default_factory=set)

    def seen(self) -> Iterator[tuple[Path, Picture | None]]:
        """All pictures; None for those that were not, or cannot be, read."""
        for path in self.data.pictures():
            look = self.looks.get(path)
            yield path, look if isinstance(look, Picture) else None
