"""Digests that files carry, and are held to when they are read."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TENSORS_SHA256 = 'tensors_sha256'
CONTENT_SHA256 = 'content_sha256'
_CHUNK_BYTES = 1 << 20


def digest_file(path: Path) -> str:
    """sha256 over a file's bytes."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over the names, types, shapes and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        heading = f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'
        digest.update(heading.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def digest_content(content: Mapping[str, Any]) -> str:
    """sha256 over all tensors and numbers in a checkpoint, at any depth.

    What is neither (texts, statistics of a log) is left out.
    """
    tensors, numbers = {}, []
    for name, value in _leaves('', content):
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, int | float):
            numbers.append(f'{name}={value!r}')
    plain = '\n'.join(sorted(numbers)).encode()
    tensors[''] = torch.frombuffer(bytearray(plain + b'\n'), dtype=torch.uint8)
    return digest_tensors(tensors)


def _leaves(name: str, node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(f'{name}.{key}', value)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _leaves(f'{name}.{index}', value)
    else:
        yield name, node
