"""Writes one plain file of a checkpoint that processes wrote in parts."""

from pathlib import Path

import torch

from .errors import CheckpointError
from .reading.digest import CONTENT_SHA256, digest_content
from .reading.safe import read_file
from .sharded import is_sharded_checkpoint
from .whole_file import whole_file


def gather_checkpoint(source: Path, destination: Path) -> None:
    """Write all that a checkpoint holds to a file of ``torch.save``.

    Args:
        source: A folder of ``vitdense.checkpoint.sharded``.
        destination: The file to write. It must not exist.

    Raises:
        CheckpointError: If the source is no such folder or damaged, or the
            destination exists.
    """
    if not is_sharded_checkpoint(source):
        raise CheckpointError(
            f'{source} is no checkpoint of a model in parts, which is a '
            'folder, such as work_dirs/NAME/epoch_12.pth'
        )
    if destination.exists():
        raise CheckpointError(f'{destination} exists; it was not overwritten')
    content = read_file(source)
    content[CONTENT_SHA256] = digest_content(content)
    with whole_file(destination) as part:
        torch.save(content, part)
