"""The published checkpoints by family and arch: where their files are.

Read in the README files of whai362/PVT 57e2dfa, microsoft/CvT f851e68 and
yitu-opensource/T2T-ViT 0f63dc9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .errors import CheckpointError

OFFICIAL = 'official'

_PVT = 'https://github.com/whai362/PVT/releases/download/v2/'
_T2T = 'https://github.com/yitu-opensource/T2T-ViT/releases/download/main/'


@dataclass(frozen=True)
class Published:
    """A checkpoint that its authors published, or why there is none.

    Attributes:
        url: Address of the file; empty if there is none to download.
        top1: Accuracy on ImageNet-1k in percent, as its authors state it.
        why: Why there is no file.
    """

    url: str = ''
    top1: float | None = None
    why: str = ''


_ON_A_DRIVE = Published(
    why='the authors share CvT on a drive (https://1drv.ms/u/'
    's!AhIXJn_J-blW9RzF3rMW7SsLHa8h) that cannot be downloaded from by '
    'address; fetch the file in a browser and give its path, or use '
    "transformers' file of the same weights"
)
_NONE_TRAINED = Published(
    why='it is a new pyramid of vitdense, and nobody has published weights'
)
_NONE_SHARED = Published(
    why='the authors describe it but have not published weights'
)


def _pvt(file: str, top1: float) -> Published:
    return Published(f'{_PVT}{file}.pth', top1)


def _t2t(file: str, top1: float) -> Published:
    return Published(f'{_T2T}{top1}_{file}.pth.tar', top1)


PUBLISHED: Mapping[str, Mapping[str, Published]] = MappingProxyType(
    {
        'pvt': MappingProxyType(
            {
                'tiny': _pvt('pvt_tiny', 75.1),
                'small': _pvt('pvt_small', 79.8),
                'medium': _pvt('pvt_medium', 81.2),
                'large': _pvt('pvt_large', 81.7),
                'v2-b0': _pvt('pvt_v2_b0', 70.5),
                'v2-b1': _pvt('pvt_v2_b1', 78.7),
                'v2-b2': _pvt('pvt_v2_b2', 82.0),
                'v2-b2-li': _pvt('pvt_v2_b2_li', 82.1),
                'v2-b3': _pvt('pvt_v2_b3', 83.1),
                'v2-b4': _pvt('pvt_v2_b4', 83.6),
                'v2-b5': _pvt('pvt_v2_b5', 83.8),
            }
        ),
        'cvt': MappingProxyType(
            {
                '13': _ON_A_DRIVE,
                '21': _ON_A_DRIVE,
                'w24': _ON_A_DRIVE,
            }
        ),
        't2t': MappingProxyType(
            {
                '7': _t2t('T2T_ViT_7', 71.7),
                '10': _t2t('T2T_ViT_10', 75.2),
                '12': _t2t('T2T_ViT_12', 76.5),
                '14': _t2t('T2T_ViT_14', 81.5),
                '19': _t2t('T2T_ViT_19', 81.9),
                '24': _t2t('T2T_ViT_24', 82.3),
                't-14': _t2t('T2T_ViTt_14', 81.7),
                't-19': _t2t('T2T_ViTt_19', 82.4),
                't-24': _t2t('T2T_ViTt_24', 82.6),
                '14-se': _NONE_SHARED,
                '14-resnext': _NONE_SHARED,
                '14-wide': _NONE_SHARED,
                'pyramid-t': _NONE_TRAINED,
                'pyramid-s': _NONE_TRAINED,
            }
        ),
    }
)


def official_url(family: str, arch_name: str | None) -> str:
    """Address of the published checkpoint of an arch.

    Args:
        family: 'pvt', 'cvt' or 't2t'.
        arch_name: Name in the family's table; None for a user's own arch.

    Raises:
        CheckpointError: If there is none, saying why.
    """
    archs = PUBLISHED.get(family, {})
    if arch_name is None or arch_name not in archs:
        having = [name for name, entry in archs.items() if entry.url]
        raise CheckpointError(
            f"checkpoint='{OFFICIAL}': no checkpoint is published for arch "
            f'{arch_name!r} of family {family!r}; those with one are '
            f'{having}'
        )
    entry = archs[arch_name]
    if not entry.url:
        raise CheckpointError(
            f"checkpoint='{OFFICIAL}': there is no public file for arch "
            f'{arch_name!r} of family {family!r}: {entry.why}'
        )
    return entry.url
