"""Mixed precision: mmengine's own on a GPU, bfloat16 autocast on a CPU."""

import torch
from mmengine.config import Config
from mmengine.device import get_device

from vitdense.preflight.config import type_name

CPU_WRAPPER = 'vitdense.BFloat16OptimWrapper'
TEST_LOOP = 'vitdense.BFloat16TestLoop'


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
    kind = type_name(wrapper.get('type', 'OptimWrapper'))
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


def set_test_amp(cfg: Config) -> None:
    """Test in bfloat16, as tools/infer.py does.

    Raises:
        ValueError: If the device has none, or the config has a loop of its
            own.
    """
    settings = cfg.test_cfg
    kind = type_name(settings.get('type', 'TestLoop'))
    if kind not in ('TestLoop', TEST_LOOP):
        raise ValueError(
            f'--amp cannot change test_cfg.type={kind!r}; choose from '
            "['TestLoop']"
        )
    check_bfloat16(torch.device(get_device()))
    settings.pop('fp16', None)
    settings.type = TEST_LOOP


def check_bfloat16(device: torch.device) -> None:
    """See that a device computes in bfloat16, as ``amp`` predicts.

    Raises:
        ValueError: If it does not.
    """
    cuda = device.type == 'cuda'
    if device.type != 'cpu' and not (
        cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise ValueError(f'amp: device={str(device)!r} has no bfloat16')


def _check_cuda(dtype: str | None) -> None:
    if dtype == 'bfloat16' and not torch.cuda.is_bf16_supported():
        raise ValueError(
            f"optim_wrapper.dtype='bfloat16' is not possible on this device "
            f"({torch.cuda.get_device_name()}); choose from ['float16']"
        )
