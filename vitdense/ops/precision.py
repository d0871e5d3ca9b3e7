"""Operators compute in single precision where a tensor has half of it."""

import torch
from torch import Tensor


def computable(tensor: Tensor) -> Tensor:
    """The tensor, or for half precision a copy in single precision."""
    single = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.detach().float() if single else tensor.detach()


def as_given(tensor: Tensor) -> torch.autocast:
    """Where autocast does not choose precisions for this tensor's device."""
    return torch.autocast(tensor.device.type, enabled=False)
