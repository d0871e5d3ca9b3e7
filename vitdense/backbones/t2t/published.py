"""Published checkpoints of T2T-ViT.

Read in the README of yitu-opensource/T2T-ViT 0f63dc9.
"""

from collections.abc import Mapping
from types import MappingProxyType

from vitdense.backbones.family import Published

_URL = 'https://github.com/yitu-opensource/T2T-ViT/releases/download/main/'
_NONE_TRAINED = Published(
    why='it is a new pyramid of vitdense, and nobody has published weights'
)
_NONE_SHARED = Published(
    why='the authors describe it but have not published weights'
)


def _file(name: str, top1: float) -> Published:
    return Published(f'{_URL}{top1}_{name}.pth.tar', top1)


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        '7': _file('T2T_ViT_7', 71.7),
        '10': _file('T2T_ViT_10', 75.2),
        '12': _file('T2T_ViT_12', 76.5),
        '14': _file('T2T_ViT_14', 81.5),
        '19': _file('T2T_ViT_19', 81.9),
        '24': _file('T2T_ViT_24', 82.3),
        't-14': _file('T2T_ViTt_14', 81.7),
        't-19': _file('T2T_ViTt_19', 82.4),
        't-24': _file('T2T_ViTt_24', 82.6),
        '14-se': _NONE_SHARED,
        '14-resnext': _NONE_SHARED,
        '14-wide': _NONE_SHARED,
        '16-ghost': _NONE_SHARED,
        'dense': _NONE_SHARED,
        'pyramid-t': _NONE_TRAINED,
        'pyramid-s': _NONE_TRAINED,
    }
)
