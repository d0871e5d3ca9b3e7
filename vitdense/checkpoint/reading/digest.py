"""A digest over tensors, which a converted file carries and is held to."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

TENSORS_SHA256 = 'tensors_sha256'


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over the names, types, shapes and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        heading = f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'
        digest.update(heading.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
