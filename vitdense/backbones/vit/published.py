"""Published checkpoints of plain ViTs.

Read in facebookresearch/deit, mae and dinov2, and SHI-Labs/
Compact-Transformers. DINOv2 is under the Apache License 2.0, DINOv3 under the
DINOv3 License.
"""

from collections.abc import Mapping
from types import MappingProxyType

from vitdense.backbones.family import Published

_META = 'https://dl.fbaipublicfiles.com/'
_CCT = 'https://shi-labs.com/projects/cct/checkpoints/pretrained/'
_NONE_SHARED = Published(
    why='the authors describe it but have not published weights'
)
_CONSENT = Published(
    why='the DINOv3 License asks for your own consent; request the files at '
    'https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/ '
    'and name one as checkpoint'
)


def _deit(name: str, top1: float) -> Published:
    return Published(f'{_META}deit/deit_{name}.pth', top1)


def _mae(size: str) -> Published:
    return Published(f'{_META}mae/pretrain/mae_pretrain_vit_{size}.pth')


def _dinov2(size: str, ending: str = '') -> Published:
    name = f'dinov2_vit{size}14'
    return Published(f'{_META}dinov2/{name}/{name}{ending}_pretrain.pth')


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        'tiny': _deit('tiny_patch16_224-a1311bcf', 72.2),
        'small': _deit('small_patch16_224-cd65a155', 79.9),
        'base': _deit('base_patch16_224-b5f2ef4d', 81.8),
        'large': _mae('large'),
        'huge': _mae('huge'),
        'vitdet-b': _mae('base'),
        'vitdet-l': _mae('large'),
        'small-18x2': _NONE_SHARED,
        'small-18x2-ls': _NONE_SHARED,
        'base-18x2': _NONE_SHARED,
        'base-18x2-ls': _NONE_SHARED,
        'dinov2-s': _dinov2('s'),
        'dinov2-b': _dinov2('b'),
        'dinov2-l': _dinov2('l'),
        'dinov2-g': _dinov2('g'),
        'dinov2-s-reg': _dinov2('s', '_reg4'),
        'dinov2-b-reg': _dinov2('b', '_reg4'),
        'dinov2-l-reg': _dinov2('l', '_reg4'),
        'dinov2-g-reg': _dinov2('g', '_reg4'),
        'dinov3-s': _CONSENT,
        'dinov3-s+': _CONSENT,
        'dinov3-b': _CONSENT,
        'dinov3-l': _CONSENT,
        'dinov3-h+': _CONSENT,
        'dinov3-7b': _CONSENT,
        'cct-7-3x1': Published(f'{_CCT}cct_7_3x1_32_cifar10_300epochs.pth'),
        'cct-14-7x2': Published(f'{_CCT}cct_14_7x2_224_imagenet.pth', 80.67),
    }
)
