"""The plain ViTs, and what a mapping may combine."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from vitdense.backbones.arch import is_integer
from vitdense.backbones.vit.positions import RESIZES

STEMS = ('patch', 'hmlp', 'conv')
BLOCKS = ('serial', 'parallel', 'cct')
MLPS = ('mlp', 'swiglu')
POSITIONS = ('learned', 'sinusoid', 'rotary')
HMLP_PATCH = 16
LARGEST = {'patch': 64, 'registers': 64, 'stem_kernel': 31, 'stem_convs': 8}


@dataclass(frozen=True)
class ViTArch:
    """One plain ViT: blocks of one width and one stride.

    Args:
        dim: Channels.
        depth: Blocks.
        heads: Attention heads.
        patch: Side of a patch, in pixels; the stem 'conv' has a stride of
            its own and does not read it.
        stem: 'patch' (one convolution), 'hmlp' (three, in patches of 16
            pixels; Section 5 of arXiv:2203.09795) or 'conv' (convolutions
            and max-pooling; arXiv:2104.05704).
        stem_kernel: Side of the kernels of 'conv', odd.
        stem_convs: How many convolutions 'conv' has.
        blocks: 'serial', 'parallel' (two branches; Section 3 of
            arXiv:2203.09795) or 'cct' (the norm before the feed-forward
            network stays in the residual; arXiv:2104.05704).
        layer_scale: What LayerScale begins from; 0 is without.
        mlp: 'mlp' (GELU) or 'swiglu' (arXiv:2002.05202).
        mlp_ratio: Hidden channels of the feed-forward network for each of
            ``dim``.
        qkv_bias: Whether queries and values have a bias; keys have one too,
            but for rotary positions.
        class_token: Whether a class token takes part in attention.
        registers: Register tokens (arXiv:2309.16588).
        positions: 'learned', 'sinusoid' (a table of cells, as of words in
            arXiv:1706.03762) or 'rotary' (axial, as in arXiv:2508.10104).
        class_slot: Whether the table has a position for the class token.
        position_px: Side of the image that the table is made for.
        resize: How other grids get it; see ``vit/positions.py``.
        norm_eps: Epsilon of every LayerNorm.
        window: Side of the windows of attention, in cells; 0 is without.
        global_blocks: Blocks, from 0, that attend to the whole image in
            spite of ``window``; None is the last of each quarter.
        drop_path_rate: Stochastic depth of the last block.
    """

    dim: int
    depth: int
    heads: int
    patch: int = 16
    stem: str = 'patch'
    stem_kernel: int = 7
    stem_convs: int = 2
    blocks: str = 'serial'
    layer_scale: float = 0.0
    mlp: str = 'mlp'
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    class_token: bool = True
    registers: int = 0
    positions: str = 'learned'
    class_slot: bool = True
    position_px: int = 224
    resize: str = 'bicubic'
    norm_eps: float = 1e-6
    window: int = 0
    global_blocks: tuple[int, ...] | None = None
    drop_path_rate: float = 0.1

    def __post_init__(self) -> None:
        for name in ('dim', 'depth', 'heads'):
            self._check(name, is_integer(getattr(self, name)), 'an integer')
            self._check(name, getattr(self, name) > 0, 'positive')
        self._check(
            'heads',
            self.dim % self.heads == 0,
            f'a divisor of dim={self.dim}',
        )
        for name, choices in (
            ('stem', STEMS),
            ('blocks', BLOCKS),
            ('mlp', MLPS),
            ('positions', POSITIONS),
            ('resize', tuple(RESIZES)),
        ):
            value = getattr(self, name)
            known = isinstance(value, str) and value in choices
            self._check(name, known, f'one of {list(choices)}')
        for name in ('qkv_bias', 'class_token', 'class_slot'):
            value = getattr(self, name)
            self._check(name, isinstance(value, bool), 'True or False')
        for name, least in (
            ('patch', 1),
            ('registers', 0),
            ('stem_kernel', 1),
            ('stem_convs', 1),
        ):
            most = LARGEST[name]
            value = getattr(self, name)
            fits = is_integer(value) and least <= value <= most
            self._check(name, fits, f'an integer from {least} to {most}')
        for name, fits, said in (
            ('layer_scale', lambda v: v >= 0, '0 or a positive number'),
            ('mlp_ratio', lambda v: self.dim * v >= 1, 'a positive number'),
            ('norm_eps', lambda v: v > 0, 'a positive number'),
        ):
            value = getattr(self, name)
            self._check(name, _is_number(value) and fits(value), said)
        self._check(
            'window',
            is_integer(self.window) and self.window >= 0,
            '0 or a number of cells',
        )
        self._check_stem()
        self._check_positions()
        self._check_windows()

    def _check(self, name: str, fits: bool, said: str) -> None:
        if not fits:
            raise ValueError(
                f'ViT: arch field {name}={getattr(self, name)!r} must be '
                f'{said}'
            )

    def _check_stem(self) -> None:
        if self.stem == 'hmlp':
            self._check(
                'patch',
                self.patch == HMLP_PATCH,
                f"{HMLP_PATCH} with stem='hmlp', whose convolutions make "
                'patches of that side',
            )
            self._check(
                'dim', self.dim % 4 == 0, "a multiple of 4 with stem='hmlp'"
            )
        if self.stem == 'conv':
            self._check(
                'stem_kernel',
                self.stem_kernel % 2 == 1,
                "odd with stem='conv'",
            )

    def _check_positions(self) -> None:
        if self.positions == 'rotary':
            self._check(
                'class_slot',
                not self.class_slot,
                "False with positions='rotary', which have no table",
            )
            self._check(
                'heads',
                self.dim // self.heads % 4 == 0,
                "such with positions='rotary' that each has a multiple of 4 "
                f'of dim={self.dim}',
            )
        self._check(
            'class_slot',
            self.class_token or not self.class_slot,
            'False with class_token=False',
        )
        self._check(
            'position_px',
            is_integer(self.position_px) and self.position_px >= self.stride,
            f'{self.stride} or more pixels, one cell',
        )

    def _check_windows(self) -> None:
        blocks = self.global_blocks
        if blocks is not None:
            self._check(
                'global_blocks',
                isinstance(blocks, tuple)
                and all(is_integer(b) and 0 <= b < self.depth for b in blocks),
                f'a list of blocks from 0 to {self.depth - 1}',
            )
            self._check(
                'global_blocks',
                self.window > 0,
                'None without window',
            )

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of each block's level: every block is a stage."""
        return (self.dim,) * self.depth

    @property
    def stride(self) -> int:
        """Pixels from one cell to the next."""
        if self.stem != 'conv':
            return self.patch
        return int((2 * conv_stride(self.stem_kernel)) ** self.stem_convs)

    @property
    def quarters(self) -> tuple[int, ...]:
        """The last block of each quarter of the depth; of few, all."""
        ends = (self.depth * part // 4 - 1 for part in range(1, 5))
        return tuple(sorted({max(end, 0) for end in ends}))

    @property
    def windowed(self) -> tuple[int, ...]:
        """Blocks whose attention stays in windows."""
        if not self.window:
            return ()
        whole = self.global_blocks
        whole = self.quarters if whole is None else whole
        return tuple(b for b in range(self.depth) if b not in whole)


def conv_stride(kernel: int) -> int:
    """Stride of a convolution of the stem 'conv', before its pooling."""
    return max(1, kernel // 2 - 1)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


_LS = 1e-4  # of the parallel ViTs; DINO trains from 1e-5
_parallel = partial(ViTArch, depth=18, blocks='parallel', class_slot=False)
_v2 = partial(
    ViTArch,
    patch=14,
    layer_scale=1e-5,
    position_px=518,
    resize='bicubic-offset',
)
_v2_reg = partial(_v2, registers=4, resize='bicubic-antialias')
_v3 = partial(
    ViTArch,
    layer_scale=1e-5,
    registers=4,
    positions='rotary',
    class_slot=False,
    norm_eps=1e-5,
)
_cct = partial(
    ViTArch,
    stem='conv',
    blocks='cct',
    qkv_bias=False,
    class_token=False,
    class_slot=False,
    resize='bilinear',
    norm_eps=1e-5,
)

ARCHS: Mapping[str, ViTArch] = MappingProxyType(
    {
        # Table 1 of arXiv:2012.12877 and of arXiv:2010.11929; the huge one
        # as in arXiv:2111.06377, which made its patches smaller
        'tiny': ViTArch(192, 12, 3),
        'small': ViTArch(384, 12, 6),
        'base': ViTArch(768, 12, 12),
        'large': ViTArch(1024, 24, 16),
        'huge': ViTArch(1280, 32, 16, patch=14),
        # arXiv:2203.16527, and MAE's class token
        'vitdet-b': ViTArch(768, 12, 12, window=14),
        'vitdet-l': ViTArch(1024, 24, 16, window=14, drop_path_rate=0.4),
        # Table 2 of arXiv:2203.09795
        'small-18x2': _parallel(384, heads=6),
        'small-18x2-ls': _parallel(384, heads=6, layer_scale=_LS),
        'base-18x2': _parallel(768, heads=12),
        'base-18x2-ls': _parallel(768, heads=12, layer_scale=_LS),
        # arXiv:2304.07193, with registers arXiv:2309.16588
        'dinov2-s': _v2(384, 12, 6),
        'dinov2-b': _v2(768, 12, 12),
        'dinov2-l': _v2(1024, 24, 16),
        'dinov2-g': _v2(1536, 40, 24, mlp='swiglu', mlp_ratio=8 / 3),
        'dinov2-s-reg': _v2_reg(384, 12, 6),
        'dinov2-b-reg': _v2_reg(768, 12, 12),
        'dinov2-l-reg': _v2_reg(1024, 24, 16),
        'dinov2-g-reg': _v2_reg(1536, 40, 24, mlp='swiglu', mlp_ratio=8 / 3),
        # arXiv:2508.10104
        'dinov3-s': _v3(384, 12, 6),
        'dinov3-s+': _v3(384, 12, 6, mlp='swiglu'),
        'dinov3-b': _v3(768, 12, 12),
        'dinov3-l': _v3(1024, 24, 16),
        'dinov3-h+': _v3(1280, 32, 20, mlp='swiglu'),
        'dinov3-7b': _v3(
            4096, 40, 32, mlp='swiglu', mlp_ratio=2, qkv_bias=False
        ),
        # Table 3 of arXiv:2104.05704
        'cct-7-3x1': _cct(
            256,
            7,
            4,
            stem_kernel=3,
            stem_convs=1,
            mlp_ratio=2,
            position_px=32,
        ),
        'cct-14-7x2': _cct(384, 14, 6, mlp_ratio=3),
    }
)
