"""An accelerator without the hardware: it computes here, and counts waits.

A tensor on it holds its numbers on the CPU, says that it is on ``cuda``, and
refuses what a real one refuses: operators that also get a tensor of the CPU.
Counted are the operators for which the host waits until the device is done:
those that bring numbers to the host, and those whose result's size depends
on numbers. Copies to the device count too, unless they are ``non_blocking``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten
CUDA = torch.device('cuda', 0)
WAITING = {
    aten._local_scalar_dense,
    aten.equal,
    aten.is_nonzero,
    aten.masked_select,
    aten.nonzero,
    aten.unique_dim,
    aten._unique2,
    aten.bincount,
    aten.repeat_interleave,
}
MOVING = {aten._to_copy, aten.copy_}
INDEXING = {aten.index, aten.index_put, aten.index_put_}


class OnDevice(Tensor):
    """A tensor of the accelerator; ``numbers`` is the same on the CPU."""

    numbers: Tensor
    # PyTorch itself takes it for one of ``meta``, which needs no driver.
    device: Any = property(lambda self: CUDA)
    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> 'OnDevice':
        made = Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=torch.device('meta'),
        )
        made.numbers = numbers
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise RuntimeError(f'{func} was called outside of accelerator()')


class Accelerator(TorchDispatchMode):
    """While it is entered, ``OnDevice`` tensors compute; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        leaves = tree_flatten((args, kwargs))[0]
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        ours = [t for t in tensors if isinstance(t, OnDevice)]
        device = kwargs.get('device', ours[0].device if ours else None)
        there = device is not None and torch.device(device).type != 'cpu'
        if not ours and not there:
            return func(*args, **kwargs)
        self.note(func, args, kwargs, tensors, there)
        if 'device' in kwargs:
            kwargs['device'] = torch.device('cpu')
        args, kwargs = tree_map(
            lambda x: x.numbers if isinstance(x, OnDevice) else x,
            (args, kwargs),
        )
        result = func(*args, **kwargs)
        if not there:
            return result
        known = {id(t.numbers): t for t in ours}  # of operators in place

        def back(x):
            if not isinstance(x, Tensor):
                return x
            return known[id(x)] if id(x) in known else OnDevice(x)

        return tree_map(back, result)

    def note(self, func, args, kwargs, tensors, there) -> None:
        """Count the operator if the host waits; refuse mixed devices."""
        operator = func.overloadpacket
        elsewhere = [t for t in tensors if not isinstance(t, OnDevice)]
        if operator in MOVING:
            to_device = bool(elsewhere)
            crosses = to_device or not there
            free = to_device and (
                kwargs.get('non_blocking') or elsewhere[0].dim() == 0
            )
            if operator is aten.copy_ and to_device:
                free = len(args) > 2 and args[2]
            if crosses and not free:
                self.waits.append(str(func))
            return
        by_mask = operator in INDEXING and any(
            t is not None and t.dtype in (torch.bool, torch.uint8)
            for t in args[1]
        )
        if operator in WAITING or by_mask:
            self.waits.append(str(func))
        if any(t.dim() for t in elsewhere):
            raise RuntimeError(f'{func} got tensors of cpu and cuda')


@contextmanager
def accelerator() -> Iterator[Accelerator]:
    """Enter the accelerator; its ``waits`` names all operators waited for."""
    with (
        # a PyTorch without CUDA would refuse to name the device
        patch('torch.cuda._lazy_init', lambda: None),
        torch.no_grad(),
        Accelerator() as entered,
    ):
        yield entered


def send(*tensors: Tensor) -> tuple[Any, ...]:
    """The tensors on the accelerator."""
    return tuple(OnDevice(t.detach().clone()) for t in tensors)
