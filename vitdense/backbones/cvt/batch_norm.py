"""BatchNorms as OpenMMLab's configs name them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

MakeNorm = Callable[[int], _BatchNorm]

# SyncBatchNorm shares its statistics in distributed training on accelerators
# and is an ordinary BatchNorm elsewhere.
BATCH_NORMS: Mapping[str, type[_BatchNorm]] = MappingProxyType(
    {'BN': nn.BatchNorm2d, 'SyncBN': nn.SyncBatchNorm}
)
OPTIONS = ('eps', 'momentum', 'requires_grad')


def batch_norm_maker(title: str, norm_cfg: Mapping[str, Any]) -> MakeNorm:
    """Gives what makes the BatchNorm of a number of channels.

    Args:
        title: Name of the backbone, for messages.
        norm_cfg: As mmcv writes it: ``type`` ('BN' or 'SyncBN') and,
            optionally, ``eps``, ``momentum`` and ``requires_grad`` (whether
            weight and bias are learned).

    Raises:
        ValueError: If the type or an option is not known.
        TypeError: If ``norm_cfg`` is not a mapping.
    """
    if not isinstance(norm_cfg, Mapping):
        raise TypeError(
            f'{title}: norm_cfg={norm_cfg!r} must be a mapping such as '
            "dict(type='BN')"
        )
    options = dict(norm_cfg)
    name = options.pop('type', None)
    if name not in BATCH_NORMS:
        raise ValueError(
            f'{title}: norm_cfg type {name!r} is not one of '
            f'{sorted(BATCH_NORMS)}'
        )
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(
            f'{title}: norm_cfg has unknown options {unknown}; choose from '
            f'{list(OPTIONS)}'
        )
    learned = options.pop('requires_grad', True)
    return partial(_make, BATCH_NORMS[name], learned, options)


def _make(
    norm: type[_BatchNorm], learned: bool, options: dict[str, Any], dim: int
) -> _BatchNorm:
    made = norm(dim, **options)
    made.requires_grad_(learned)
    return made
