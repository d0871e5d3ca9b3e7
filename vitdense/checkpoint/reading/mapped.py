"""Reads large files a little at a time, without a second copy in memory.

A file that is mapped into memory is read where it is looked at. Its pages
count as this process's memory from then until the mapping ends, so a mapping
is made anew after every twentieth of the file.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from ..errors import CheckpointError
from .safe import check_digest, read_file, sniff
from .shards import files_of

LARGE_BYTES = 1 << 26  # below, a second copy does not matter
PARTS = 20


def is_large(path: Path) -> bool:
    """Whether a checkpoint is read so: of many bytes, in a kind of file
    that can be mapped."""
    files = files_of(path)
    if not all(map(Path.is_file, files)):
        return False  # what is wrong with them is told by who reads them
    # of PyTorch's files, those since 1.6
    return sum(each.stat().st_size for each in files) > LARGE_BYTES and all(
        zipfile.is_zipfile(each) or sniff(each) == 'safetensors'
        for each in files
    )


def check_sums(path: Path) -> None:
    """Hold the files of a checkpoint against the sums that they state.

    Raises:
        CheckpointError: If one is damaged.
    """
    for file in files_of(path):
        if zipfile.is_zipfile(file):
            _check_archive(file)
        else:
            open_file = partial(read_file, file, mapped=True)
            check_digest(file, MappedTensors(open_file))


class MappedTensors(Mapping[str, Tensor]):
    """Tensors of a file, by name, each read when it is looked at.

    Whoever lets go of each before asking for the next needs the memory of a
    twentieth of the file.

    Args:
        open_file: Maps the file, and finds the tensors in it.
    """

    def __init__(self, open_file: Callable[[], Mapping[str, Tensor]]) -> None:
        self._open_file = open_file
        self._mapped = open_file()
        self._names = tuple(self._mapped)
        sizes = (tensor.nbytes for tensor in self._mapped.values())
        self._part = sum(sizes) // PARTS
        self._given = 0

    def __getitem__(self, name: str) -> Tensor:
        if self._given > self._part:
            self._mapped = self._open_file()
            self._given = 0
        tensor = self._mapped[name]
        self._given += tensor.nbytes
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _check_archive(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise CheckpointError(f'{file} is damaged: {error}') from error
    if damaged is not None:
        raise CheckpointError(
            f'{file} is damaged: {damaged} in it has another CRC-32 than the '
            'file states'
        )
