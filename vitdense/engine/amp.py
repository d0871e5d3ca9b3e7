"""Mixed precision: mmengine's own on a GPU, bfloat16 autocast on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from vitdense.registry import OPTIM_WRAPPERS

CPU_WRAPPER = 'vitdense.BFloat16OptimWrapper'


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Trains under bfloat16 autocast, on any device.

    bfloat16 has float32's range, so the loss needs no scaling. mmengine's
    ``AmpOptimWrapper`` refuses to be built without a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass of ``model`` under autocast."""
        device = next(model.parameters()).device.type
        autocast = torch.autocast(device, dtype=torch.bfloat16)
        with super().optim_context(model), autocast:
            yield


def set_amp(cfg: Config, requested: bool) -> None:
    """Choose the optimizer wrapper for mixed precision on this device.

    Args:
        cfg: Changed in place. A config may ask for mixed precision itself,
            with ``optim_wrapper.type='AmpOptimWrapper'``.
        requested: Whether ``--amp`` was given.

    Raises:
        ValueError: If the device cannot do what is asked.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if not requested and kind != 'AmpOptimWrapper':
        return
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', CPU_WRAPPER):
        raise ValueError(
            f'--amp cannot change optim_wrapper.type={kind!r}; choose from '
            "['AmpOptimWrapper', 'OptimWrapper']"
        )
    dtype = wrapper.get('dtype')
    device = get_device()
    if device == 'cuda':
        _check_cuda(dtype)
        if kind == 'OptimWrapper':
            wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    elif device == 'cpu':
        if dtype not in (None, 'bfloat16'):
            raise ValueError(
                f'optim_wrapper.dtype={dtype!r}: mixed precision on this '
                "device (cpu) is done in one of ['bfloat16']"
            )
        for key in ('dtype', 'loss_scale', 'use_fsdp'):
            wrapper.pop(key, None)
        wrapper.type = CPU_WRAPPER
    else:
        raise ValueError(
            f'mixed precision (--amp, or {kind}) is not possible on this '
            f"device ({device}); choose from ['cpu', 'cuda']"
        )


def _check_cuda(dtype: str | None) -> None:
    if dtype == 'bfloat16' and not torch.cuda.is_bf16_supported():
        raise ValueError(
            f"optim_wrapper.dtype='bfloat16' is not possible on this device "
            f"({torch.cuda.get_device_name()}); choose from ['float16']"
        )
