"""Puts a backbone of vitdense in the place of a stock model's.

What changes is what a user would write: the backbone, and the channels and
levels that the part behind it takes.
"""

import importlib
from typing import Any

from stock_heads.levels import (
    FAMILIES,
    WIDER,
    WIDTH,
    Level,
    UnfitError,
    levels_for,
    levels_of,
    wanted_strides,
    wider,
)
from stock_heads.parts import listed, parts

# necks that make a pyramid of a plain ViT's levels
OF_ONE_STRIDE = ('Feature2Pyramid', 'MultiLevelNeck')


def _takes_every_level(neck: Any) -> bool:
    """Whether a neck makes no coarser levels of those it is given."""
    return 'num_outs' not in neck or neck.type == 'NASFCOS_FPN'


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
        for head in listed(model.get(name)):
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
    necks = listed(owner.get('neck'))
    if any(part.get('type') == 'GN' for part in parts(necks)):
        design, width = wider(design), WIDER * WIDTH
    stock = levels_of(owner)
    if necks and isinstance(necks[0].get('in_channels'), int):
        stock = stock[-1:]  # it takes the last alone
    given = levels_for(
        family,
        design,
        width,
        stock,
        numbered=library == 'mmseg' and not necks,
        lengthened=bool(necks) and _takes_every_level(necks[0]),
    )
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
        owner.neck = given.necks + listed(owner.get('neck'))
    if len(own) == len(stock):
        return ''
    text = ', '.join(map(str, wanted_strides(stock)))
    return f'wants levels of strides {text}; {family} ends at {own[-1].stride}'
