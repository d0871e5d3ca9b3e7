"""Where a test body runs: on CUDA, or on what stands in for it.

``Played`` refuses work on the wrong device and counts waits, see
``accelerator.py``; ``PlainCPU`` runs what only an accelerator runs otherwise,
also under autocast and compiled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import pytest
import torch
from accelerator import Accelerator, OnDevice, accelerator
from torch import Tensor, nn

from vitdense.layers import attention, bands
from vitdense.ops import backend, roi_align

Module = TypeVar('Module', bound=nn.Module)
# As the package has them: a test may have switched them off.
SHORTCUTS = (
    (bands, 'applicable', bands.applicable),
    (attention, 'query_parts', attention.query_parts),
    (backend, 'load_kernels', backend.load_kernels),
)


class Device:
    """A device that tests send models and tensors to.

    Attributes:
        type: As in ``torch.device.type``.
        half: What autocast computes in, there.
    """

    type = 'cpu'
    half: tuple[torch.dtype, ...] = (torch.bfloat16,)

    def model(self, model: Module) -> Module:
        """The model, moved there."""
        return model.to(self.type)

    def tensor(self, tensor: Tensor) -> Tensor:
        """The tensor, there."""
        return tensor.to(self.type)

    def back(self, tensor: Tensor) -> Tensor:
        """A tensor of there, on the CPU."""
        return tensor.detach().cpu()

    @contextmanager
    def entered(self) -> Iterator['Device']:
        """Where the device can be used."""
        raise NotImplementedError

    @contextmanager
    def no_waiting(self) -> Iterator[None]:
        """An error where the host waits for the device."""
        raise NotImplementedError


class CUDA(Device):
    """The accelerator itself, in float32 where it is asked for float32."""

    type = 'cuda'
    half = (torch.bfloat16, torch.float16)

    @contextmanager
    def entered(self) -> Iterator['Device']:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.backends.cudnn, 'allow_tf32', False)
            patch.setattr(torch.backends.cuda.matmul, 'allow_tf32', False)
            yield self

    @contextmanager
    def no_waiting(self) -> Iterator[None]:
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode('error')
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode('default')


class PlainCPU(Device):
    """The CPU without what only the CPU does."""

    @contextmanager
    def entered(self) -> Iterator['Device']:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bands, 'applicable', lambda *_: False)
            patch.setattr(attention, 'query_parts', lambda *_: 1)
            patch.setattr(backend, 'load_kernels', lambda: None)
            yield self


class Played(Device):
    """An accelerator without the hardware."""

    type = 'cuda'
    half = ()
    entry: Accelerator

    def model(self, model: Module) -> Module:
        for part in model.modules():
            for held in part._parameters, part._buffers:
                for name, tensor in held.items():
                    if tensor is not None:
                        moved = OnDevice(tensor.detach())
                        moved.requires_grad_(tensor.requires_grad)
                        cast(dict[str, Tensor], held)[name] = moved
        return model

    def tensor(self, tensor: Tensor) -> Tensor:
        return OnDevice(tensor.detach())

    def back(self, tensor: Tensor) -> Tensor:
        assert isinstance(tensor, OnDevice), 'it has left the device'
        return tensor.numbers.detach()

    @contextmanager
    def entered(self) -> Iterator['Device']:
        with (
            pytest.MonkeyPatch.context() as patch,
            accelerator() as self.entry,
            torch.enable_grad(),
        ):
            # compiled code knows real devices only
            patch.setattr(roi_align, 'torchvision_for', lambda _: None)
            yield self

    @contextmanager
    def no_waiting(self) -> Iterator[None]:
        self.entry.waits.clear()
        yield
        assert self.entry.waits == []


@contextmanager
def cpu_with_shortcuts() -> Iterator[None]:
    """The CPU as users have it, on maps large enough for its shortcuts."""
    with pytest.MonkeyPatch.context() as patch:
        for place, name, original in SHORTCUTS:
            patch.setattr(place, name, original)
        patch.setattr(bands, 'BAND_VALUES', 2000)
        patch.setattr(bands, 'KEPT_VALUES', 0)
        patch.setattr(torch, 'get_num_threads', lambda: 4)
        yield


on_cuda = pytest.param(CUDA(), marks=pytest.mark.gpu, id='cuda')
played = pytest.param(Played(), id='played')
plain_cpu = pytest.param(PlainCPU(), id='cpu-without-shortcuts')
