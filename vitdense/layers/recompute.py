"""Activation checkpointing: a second forward pass instead of memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Pass = AbstractContextManager[None]


def recompute(block: nn.Module, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    """``block(tokens, hw)``, whose backward pass computes it again.

    BatchNorms count each batch once, in the first pass.
    """

    if torch.compiler.is_compiling():
        # takes no contexts
        return checkpoint(block, tokens, hw, use_reentrant=False)
    return checkpoint(
        block,
        tokens,
        hw,
        use_reentrant=False,
        context_fn=partial(_passes, block),
    )


def _passes(block: nn.Module) -> tuple[Pass, Pass]:
    """Contexts of the first pass and of its recomputation."""
    return nullcontext(), _kept_statistics(block)


@contextmanager
def _kept_statistics(module: nn.Module) -> Iterator[None]:
    """Lets BatchNorms in ``module`` leave their running statistics alone.

    Clones take the updates: autograd holds on to what a first pass used.
    """
    held = [
        (part, name, buffer)
        for part in module.modules()
        if isinstance(part, _BatchNorm) and part.training
        for name, buffer in part.named_buffers(recurse=False)
    ]
    for part, name, buffer in held:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in held:
            setattr(part, name, buffer)
