"""Reads tensors that processes wrote in parts, without running a pickle.

Imported by those who meet such a checkpoint: PyTorch's part takes its time.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import (
    Metadata,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.state_dict_loader import load

from ..errors import CheckpointError
from ..sharded import SEPARATOR
from .digest import CONTENT_SHA256

_META = 'torch.distributed.checkpoint.metadata'
# What the index of the tensors is made of; a pickle may call nothing else.
INDEX_NAMES = (
    *(f'{_META}.Metadata', f'{_META}.MetadataIndex', f'{_META}.StorageMeta'),
    *(f'{_META}.TensorStorageMetadata', f'{_META}.TensorProperties'),
    *(f'{_META}.ChunkStorageMetadata', f'{_META}._MEM_FORMAT_ENCODING'),
    'torch.distributed.checkpoint.filesystem._StorageInfo',
    *('torch.Size', 'torch.serialization._get_layout', 'pathlib.PosixPath'),
    *('torch.float32', 'torch.float16', 'torch.bfloat16', 'torch.float64'),
    *('torch.int32', 'torch.int64', 'torch.uint8', 'torch.bool'),
)


def fill_in(rest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put the tensors that were written in parts in their places.

    Args:
        rest: What ``rest.pth`` holds; changed in place.
        folder: A checkpoint, which ``check_digests`` has found whole.

    Returns:
        ``rest``, with whole tensors.

    Raises:
        CheckpointError: If the index of the tensors holds code.
    """
    reader = _Reader(folder)
    index = reader.read_metadata().state_dict_metadata
    tensors: dict[str, Any] = {
        place: torch.empty(each.size, dtype=each.properties.dtype)
        for place, each in index.items()
        if isinstance(each, TensorStorageMetadata)
    }
    load(tensors, storage_reader=reader, no_dist=True)
    for place, tensor in tensors.items():
        node: Any = rest
        *parents, last = place.split(SEPARATOR)
        for written in parents:
            node = node[_key(node, written)]
        node[_key(node, last)] = tensor
    rest.pop(CONTENT_SHA256, None)  # of the rest alone
    return rest


def _key(node: Mapping[Any, Any], written: str) -> Any:
    """The key of a dict that was written so: states are numbered."""
    return written if written in node else int(written)


class _Reader(FileSystemReader):
    """PyTorch's reader; its index is a pickle, which is not run."""

    def read_metadata(self, *args: Any, **settings: Any) -> Metadata:
        """The index of the tensors.

        Raises:
            CheckpointError: If it holds anything else.
        """
        path = Path(self.path, '.metadata')
        with path.open('rb') as file:
            try:
                found: Metadata = _IndexUnpickler(file).load()
            except pickle.UnpicklingError as error:
                raise CheckpointError(f'{path}: {error}') from error
        return found


class _IndexUnpickler(pickle.Unpickler):
    """Calls what is listed, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        whole = f'{module}.{name}'
        if whole not in INDEX_NAMES:
            raise pickle.UnpicklingError(f'it would call {whole}')
        return super().find_class(module, name)
