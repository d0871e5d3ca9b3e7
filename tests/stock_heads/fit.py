"""Puts a backbone of vitdense in the place of a stock model's.

What changes is what a user would write: the backbone, and the channels and
levels that the part behind it takes.
"""

import copy
import importlib
from collections.abc import Iterator
from math import log2
from typing import Any, NamedTuple

import torch
from designs import DESIGNS, Design
from mmengine.registry import MODELS
from torch import Tensor

from vitdense.backbones.arch import resolve_arch

SIDE = 256  # of the image that a stock backbone is looked at with
STRIDES = (4, 8, 16, 32)
WIDER = 8
WIDTH = 16  # channels of the levels made of a plain ViT's


# backbones of libraries that need not be there; what they give is known
OF_OTHERS = ('mmpretrain.', 'timm.')
PLAIN = ('VisionTransformer', 'BEiT', 'MAE')
# necks that make a pyramid of a plain ViT's levels
OF_ONE_STRIDE = ('Feature2Pyramid', 'MultiLevelNeck')


class UnfitError(Exception):
    """Why a head cannot be given a backbone, in one line."""


class Level(NamedTuple):
    """A map that a backbone gives."""

    channels: int
    stride: int


def _deeper(design: Design) -> Design:
    """Of a plain ViT, with as many blocks as heads take levels of."""
    return design._replace(arch={**design.arch, 'depth': 4})


def _wider(design: Design) -> Design:
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


def _listed(given: Any) -> list[Any]:
    if isinstance(given, list | tuple):
        return list(given)
    return [given] if given else []


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
        channels = _listed(owner.neck)[0].in_channels
        ends = STRIDES[-len(channels) :]
        return [Level(*pair) for pair in zip(channels, ends, strict=True)]
    if backbone.type in PLAIN:  # large, and slow to build
        count = len(_listed(backbone.get('out_indices'))) or 1
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


def _wanted_strides(stock: list[Level]) -> list[int]:
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


def parts(config: Any) -> Iterator[Any]:
    """Every dict within, from the outside."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from parts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from parts(value)


def _neck_takes(
    owner: Any, neck: Any, stock: list[Level], own: list[Level]
) -> None:
    """The first neck gets our channels in the place of the stock ones."""
    given = neck.in_channels
    channels = [level.channels for level in own]
    if isinstance(given, int):
        neck.in_channels = channels[0]
        return
    if given[0] > given[-1]:  # from coarse to fine
        channels.reverse()
    neck.in_channels = type(given)(channels)
    if neck.type == 'SSDNeck':  # its first levels are those it is given
        levels = [*channels, *neck.out_channels[len(given) :]]
        neck.out_channels = owner.bbox_head.in_channels = type(given)(levels)
    if neck.type == 'JPU':  # it hands on all but the last
        made = Level(len(neck.dilations) * neck.mid_channels, own[0].stride)
        _segmentation_heads_take(owner, stock, [*own[:-1], made])


def _detection_heads_take(
    owner: Any, stock: list[Level], own: list[Level]
) -> None:
    """Heads without a neck take a list, or get the channels they expect."""
    channels = [level.channels for level in stock]
    lists = [
        part
        for part in parts({k: v for k, v in owner.items() if k != 'backbone'})
        if isinstance(part.get('in_channels'), list | tuple)
        and list(part['in_channels']) == channels
    ]
    for part in lists:
        part['in_channels'] = [level.channels for level in own]
    if lists:
        return
    if len(set(channels)) > 1:
        raise UnfitError('wants maps of several widths without a neck')
    owner.neck = dict(
        type='ChannelMapper',
        in_channels=[level.channels for level in own],
        out_channels=channels[0],
        kernel_size=1,
        num_outs=len(own),
    )


def _segmentation_heads(model: Any) -> list[Any]:
    found = []
    for name in ('decode_head', 'auxiliary_head'):
        for head in _listed(model.get(name)):
            for part in parts(head):
                if 'in_index' in part or part is head:
                    found.append(part)
    return [head for head in found if 'in_channels' in head]


def _indices(head: Any, count: int) -> list[int]:
    given = head.get('in_index', -1)
    given = given if isinstance(given, list | tuple) else [given]
    return [index % count for index in given]


def _segmentation_heads_take(
    model: Any, stock: list[Level], own: list[Level]
) -> None:
    """Heads that choose levels by number take those that are there.

    Where a family has fewer, the coarsest stands for the coarsest.
    """
    missing = len(stock) - len(own)
    for head in _segmentation_heads(model):
        indices = _indices(head, len(stock))
        if isinstance(head.in_channels, list | tuple):
            if 'in_index' not in head:
                indices = list(range(len(stock)))
            if [stock[i].channels for i in indices] != list(head.in_channels):
                continue  # of another part than the backbone
            indices = [i - missing for i in indices if i >= missing]
            head.in_channels = [own[i].channels for i in indices]
            head.in_index = indices
        elif stock[indices[0]].channels == head.in_channels:
            head.in_index = max(indices[0] - missing, 0)
            head.in_channels = own[head.in_index].channels
        if head.get('num_convs') == 0:  # nothing in between changes it
            head.channels = head.in_channels
        if head.get('c1_in_channels'):
            head.c1_in_channels = own[0].channels


def _pyramid(channels: int, width: int, chosen: tuple[int, ...]) -> list[Any]:
    """Necks that make levels of strides 4 to 32, or some, of stride 16."""
    necks = [
        dict(
            type='vitdense.SimpleFeaturePyramid',
            in_channels=[channels],
            out_channels=width,
            num_outs=4,
        )
    ]
    if chosen != (0, 1, 2, 3):
        necks.append(
            dict(
                type='FPN',
                in_channels=[width] * 4,
                out_channels=width,
                start_level=chosen[0],
                # -1 is the last in both libraries, which count otherwise
                end_level=-1 if chosen[-1] == 3 else chosen[-1],
                num_outs=len(chosen),
            )
        )
    return necks


class Given(NamedTuple):
    """What a family gives in the place of a stock backbone's levels."""

    out_indices: tuple[int, ...]
    levels: list[Level]
    necks: list[Any]
    """What makes these levels of the backbone's, if anything."""


def _given(
    family: str, design: Design, width: int, stock: list[Level], numbered: bool
) -> Given:
    """What the family gives.

    Args:
        family: Its name.
        design: Its backbone.
        width: Channels of levels that are made of a plain ViT's.
        stock: The levels that the stock backbone gave.
        numbered: Whether heads take levels by number, whatever their strides.
    """
    own, wanted = _own_levels(design), _wanted_strides(stock)
    if numbered and len(stock) > 1:
        strides = STRIDES if family == 'ViT' else [s.stride for s in own]
        wanted = list(strides[-len(stock) :])
    if family != 'ViT':
        chosen = _choose(own, wanted)
        return Given(chosen, [own[i] for i in chosen], [])
    if len(stock) == 1 or _alike(stock):
        indices = tuple(range(len(own)))[-len(stock) :]
        return Given(indices, own[-len(stock) :], [])
    levels = [Level(width, stride) for stride in STRIDES]
    chosen = _choose(levels, wanted)
    necks = _pyramid(own[-1].channels, width, chosen)
    return Given((len(own) - 1,), [levels[i] for i in chosen], necks)


def exchange(library: str, model: Any, family: str) -> str:
    """A family's small backbone takes the place of the model's own.

    Args:
        library: mmdet or mmseg; its scope is the default.
        model: The config's.
        family: A key of ``FAMILIES``.

    Returns:
        What it then lacks, in words; '' if nothing.

    Raises:
        UnfitError: If what follows wants what the family does not have.
    """
    importlib.import_module(f'{library}.models')
    owner = model.get('detector') or model
    design, width = FAMILIES[family], WIDTH
    necks = _listed(owner.get('neck'))
    if any(part.get('type') == 'GN' for part in parts(necks)):
        design, width = _wider(design), WIDER * WIDTH
    stock = levels_of(owner)
    if necks and isinstance(necks[0].get('in_channels'), int):
        stock = stock[-1:]  # it takes the last alone
    numbered = library == 'mmseg' and not necks
    given = _given(family, design, width, stock, numbered)
    own = given.levels
    owner.backbone = dict(
        **design.config, out_indices=given.out_indices, drop_path_rate=0.0
    )
    if necks and necks[0].type in OF_ONE_STRIDE and family != 'ViT':
        # what it makes are the levels that ours has
        owner.neck = None
        _segmentation_heads_take(owner, stock, own)
    elif necks and necks[0].type == 'MLANeck' and family != 'ViT':
        raise UnfitError('wants maps of one stride')
    elif necks and necks[0].type == 'Feature2Pyramid':
        necks[0].embed_dim = own[-1].channels
        _segmentation_heads_take(owner, stock, own)
    elif necks:
        _neck_takes(owner, necks[0], stock, own)
    elif library == 'mmseg':
        _segmentation_heads_take(owner, stock, own)
    else:
        _detection_heads_take(owner, stock, own)
    if given.necks:
        owner.neck = given.necks + _listed(owner.get('neck'))
    if len(own) == len(stock):
        return ''
    text = ', '.join(map(str, _wanted_strides(stock)))
    return f'wants levels of strides {text}; {family} ends at {own[-1].stride}'
