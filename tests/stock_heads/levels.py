"""The levels of a stock backbone, and those that a family gives for them."""

import copy
from math import log2
from typing import Any, NamedTuple

import torch
from designs import DESIGNS, Design
from mmengine.registry import MODELS
from stock_heads.parts import listed
from torch import Tensor

from vitdense.backbones.arch import resolve_arch

SIDE = 256  # of the image that a stock backbone is looked at with
STRIDES = (4, 8, 16, 32)
WIDTH = 16  # channels of the levels that a neck makes
WIDER = 8  # times as wide, where a neck norms in groups
# backbones of libraries that need not be there; what they give is known
OF_OTHERS = ('mmpretrain.', 'timm.')
PLAIN = ('VisionTransformer', 'BEiT', 'MAE')


class UnfitError(Exception):
    """Why a head cannot be given a backbone, in one line."""


class Level(NamedTuple):
    """A map that a backbone gives."""

    channels: int
    stride: int


def _deeper(design: Design) -> Design:
    """Of a plain ViT, with as many blocks as heads take levels of."""
    return design._replace(arch={**design.arch, 'depth': 4})


def wider(design: Design) -> Design:
    """With channels that divide into the 32 groups of a norm, as all have."""
    arch = dict(design.arch)
    if 'dim' in arch:
        arch['dim'] *= WIDER
    else:
        arch['dims'] = tuple(WIDER * dim for dim in arch['dims'])
    return design._replace(arch=arch)


FAMILIES = {
    'PVT': DESIGNS['like-pvt-v2-b0'],
    'CvT': DESIGNS['like-cvt-13'],
    'T2TViT': DESIGNS['like-t2t-7'],
    'ViT': _deeper(DESIGNS['like-vit-tiny']),
}


def _run(backbone: Any) -> Any:
    network = MODELS.build(copy.deepcopy(backbone))
    network.eval()
    with torch.no_grad():
        return network(torch.zeros(1, 3, SIDE, SIDE))


def levels_of(owner: Any) -> list[Level]:
    """The maps that the backbone of a stock model gives.

    Raises:
        UnfitError: If they are no maps.
    """
    backbone = owner.backbone
    if str(backbone.type).startswith(OF_OTHERS):
        channels = listed(owner.neck)[0].in_channels
        ends = STRIDES[-len(channels) :]
        return [Level(*pair) for pair in zip(channels, ends, strict=True)]
    if backbone.type in PLAIN:  # large, and slow to build
        count = len(listed(backbone.get('out_indices'))) or 1
        return [Level(backbone.embed_dims, backbone.patch_size)] * count
    try:
        with torch.device('meta'):
            maps = _run(backbone)
    except (NotImplementedError, RuntimeError):
        # some read numbers of tensors while they are built
        maps = _run(backbone)
    if isinstance(maps, Tensor):
        maps = [maps]
    if not all(isinstance(m, Tensor) and m.dim() == 4 for m in maps):
        raise UnfitError('wants more of its backbone than maps')
    # maps of odd sizes are a little larger than their stride says
    strides = [2 ** round(log2(SIDE / m.shape[2])) for m in maps]
    return [Level(m.shape[1], s) for m, s in zip(maps, strides, strict=True)]


def _own_levels(design: Design) -> list[Level]:
    _, arch = resolve_arch('', design.arch, design.cls.family.archs)
    model = design.cls(design.arch, out_indices=range(len(arch.dims)))
    pairs = zip(model.out_channels, model.out_strides, strict=True)
    return [Level(*pair) for pair in pairs]


def _alike(stock: list[Level]) -> bool:
    """Whether the levels are those of a plain ViT."""
    return len(stock) > 1 and {level.stride for level in stock} == {16}


def wanted_strides(stock: list[Level]) -> list[int]:
    """Those of the levels if nothing were dilated."""
    if _alike(stock):
        return list(STRIDES[: len(stock)])
    strides = [max(level.stride, STRIDES[0]) for level in stock]
    for index in range(1, len(strides)):
        if strides[index] <= strides[index - 1]:
            strides[index] = 2 * strides[index - 1]
    return strides


def _choose(own: list[Level], wanted: list[int]) -> tuple[int, ...]:
    """Which of our levels have these strides; the coarsest may be missing."""
    strides = [level.stride for level in own]
    if len(wanted) == 1:  # the nearest that is not coarser
        fit = [i for i, s in enumerate(strides) if s <= max(wanted[0], 4)]
        return (fit[-1] if fit else 0,)
    if not strides[0] <= wanted[0]:
        raise UnfitError(f'wants a level of stride {wanted[0]}')
    chosen = [strides.index(s) for s in wanted if s in strides]
    if len(chosen) < 2 or wanted[: len(chosen)] != [
        strides[i] for i in chosen
    ]:
        text = ', '.join(map(str, wanted))
        raise UnfitError(f'wants levels of strides {text}')
    return tuple(chosen)


def _pyramid(channels: int, width: int, chosen: tuple[int, ...]) -> list[Any]:
    """Necks that make levels of strides 4 to 32, or some, of stride 16."""
    finest, *_, coarsest = chosen
    made = len(STRIDES) - finest
    necks = [
        dict(
            type='vitdense.SimpleFeaturePyramid',
            in_channels=[channels],
            out_channels=width,
            start_level=finest,
            num_outs=made,
        )
    ]
    if coarsest != len(STRIDES) - 1:
        necks.append(
            dict(
                type='FPN',
                in_channels=[width] * made,
                out_channels=width,
                end_level=coarsest - finest,
                num_outs=len(chosen),
            )
        )
    return necks


def _longer(
    own: list[Level], width: int, count: int
) -> tuple[list[Level], list[Any]]:
    """So many levels, by a neck that makes the coarsest, and that neck."""
    strides = [level.stride for level in own]
    while len(strides) < count:
        strides.append(2 * strides[-1])
    mapper = dict(
        type='mmdet.ChannelMapper',
        kernel_size=1,
        in_channels=[level.channels for level in own],
        out_channels=width,
        num_outs=count,
    )
    return [Level(width, stride) for stride in strides], [mapper]


class Given(NamedTuple):
    """What a family gives in the place of a stock backbone's levels."""

    out_indices: tuple[int, ...]
    levels: list[Level]
    necks: list[Any]
    """What makes these levels of the backbone's, if anything."""


def levels_for(
    family: str,
    design: Design,
    width: int,
    stock: list[Level],
    *,
    numbered: bool,
    lengthened: bool,
) -> Given:
    """What the family gives.

    Args:
        family: Its name.
        design: Its backbone.
        width: Channels of levels that a neck makes.
        stock: The levels that the stock backbone gave.
        numbered: Whether heads take levels by number, whatever their strides.
        lengthened: Whether a neck makes the coarsest that are missing.
    """
    own, wanted = _own_levels(design), wanted_strides(stock)
    if numbered and len(stock) > 1:
        strides = STRIDES if family == 'ViT' else [s.stride for s in own]
        wanted = list(strides[-len(stock) :])
    if family != 'ViT':
        chosen = _choose(own, wanted)
        levels = [own[i] for i in chosen]
        if lengthened and len(levels) < len(stock):
            return Given(chosen, *_longer(levels, width, len(stock)))
        return Given(chosen, levels, [])
    if len(stock) == 1 or _alike(stock):
        indices = tuple(range(len(own)))[-len(stock) :]
        return Given(indices, own[-len(stock) :], [])
    levels = [Level(width, stride) for stride in STRIDES]
    chosen = _choose(levels, wanted)
    necks = _pyramid(own[-1].channels, width, chosen)
    return Given((len(own) - 1,), [levels[i] for i in chosen], necks)
