"""What every layout says of itself, and which one a folder has."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import ClassVar

from vitdense.projects.folder import DataFolder
from vitdense.projects.found import Found


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a layout may be told.

    Attributes:
        names: Names of classes, where they are given.
        reduce_zero_label: Whether label 0 of label maps is no class.
        pool: Whether all pictures are wanted as one part, to be split anew.
    """

    names: Sequence[str] | None = None
    reduce_zero_label: bool = False
    pool: bool = False


class Layout(ABC):
    """A layout of data.

    Attributes:
        name: What messages call it.
        task: 'detection' or 'segmentation'.
        wanted: What makes a folder one of it, in words.
    """

    name: ClassVar[str]
    task: ClassVar[str]
    wanted: ClassVar[str]

    @abstractmethod
    def is_of(self, folder: DataFolder) -> bool:
        """Whether a folder has this layout."""

    @abstractmethod
    def read(self, folder: DataFolder, ask: Ask) -> Found:
        """Read all of a folder but pixels of pictures.

        Raises:
            ValueError: If something cannot be used, naming it.
        """


def known_layouts() -> list[Layout]:
    """All layouts, by name of their files."""
    folder = Path(__file__).parent
    names = sorted(each.name for each in iter_modules([str(folder)]))
    modules = [import_module(f'{__package__}.{name}') for name in names]
    return [m.LAYOUT for m in modules if hasattr(m, 'LAYOUT')]


def read(root: str, task: str, ask: Ask) -> Found:
    """Read a folder of data in the first layout that it has.

    Args:
        root: The folder.
        task: 'detection' or 'segmentation'.
        ask: What layouts are told.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is of no layout of the task, or cannot be used.
    """
    folder = DataFolder(root)
    layouts = known_layouts()
    for layout in layouts:
        if layout.task == task and layout.is_of(folder):
            return layout.read(folder, ask)
    others = [each.name for each in layouts if each.is_of(folder)]
    hint = f'; it has {others[0]}, of another --task' if others else ''
    wanted = '; or '.join(
        f'{each.name}: {each.wanted}' for each in layouts if each.task == task
    )
    raise ValueError(
        f'--data: {len(folder.pictures)} pictures in {root!r}, but no '
        f'annotations for {task}{hint}; looked for {wanted}'
    )
