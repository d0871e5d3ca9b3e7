"""Published checkpoints of PVT, read in the README of whai362/PVT 57e2dfa."""

from collections.abc import Mapping
from types import MappingProxyType

from vitdense.backbones.family import Published

_URL = 'https://github.com/whai362/PVT/releases/download/v2/'


def _file(name: str, top1: float) -> Published:
    return Published(f'{_URL}{name}.pth', top1)


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        'tiny': _file('pvt_tiny', 75.1),
        'small': _file('pvt_small', 79.8),
        'medium': _file('pvt_medium', 81.2),
        'large': _file('pvt_large', 81.7),
        'v2-b0': _file('pvt_v2_b0', 70.5),
        'v2-b1': _file('pvt_v2_b1', 78.7),
        'v2-b2': _file('pvt_v2_b2', 82.0),
        'v2-b2-li': _file('pvt_v2_b2_li', 82.1),
        'v2-b3': _file('pvt_v2_b3', 83.1),
        'v2-b4': _file('pvt_v2_b4', 83.6),
        'v2-b5': _file('pvt_v2_b5', 83.8),
    }
)
