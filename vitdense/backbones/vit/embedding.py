"""From pixels to the tokens that the first block takes.

B images, P prefix tokens, C channels, H x W grid, N = H * W tokens; primes
mark the result's.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.backbones.vit.archs import conv_stride
from vitdense.layers.convolve import cells
from vitdense.layers.token_conv import PatchConv, TokenConv
from vitdense.layers.tokens import prepend, to_map, to_tokens


class HMLPStem(nn.Module):
    """Patches of 16 pixels, by three convolutions that never overlap.

    Section 5 of arXiv:2203.09795: convolution, BatchNorm and GELU for
    patches of 4, 8 and 16 pixels, the last without GELU.

    Args:
        in_channels: C.
        dim: C'.
        tapped: Convolutions, from 0, whose maps ``take`` gives after a
            forward pass, as the next one takes them.
    """

    def __init__(
        self, in_channels: int, dim: int, tapped: Sequence[int] = ()
    ) -> None:
        super().__init__()
        narrow = dim // 4
        self.tapped = tuple(tapped)
        self._maps: list[Tensor] = []
        self.convs = nn.ModuleList(
            (
                PatchConv(in_channels, narrow, 4),
                PatchConv(narrow, narrow, 2),
                PatchConv(narrow, dim, 2),
            )
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) for width in (narrow, narrow, dim)
        )

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', C')."""
        self._maps = []
        for index, (conv, norm) in enumerate(
            zip(self.convs, self.norms, strict=True)
        ):
            if index:
                tokens = F.gelu(tokens)
            if index - 1 in self.tapped:
                self._maps.append(to_map(tokens, hw))
            tokens = conv(tokens, hw)
            hw = conv.grid(hw[0]), conv.grid(hw[1])  # type: ignore[operator]
            tokens = to_tokens(norm(to_map(tokens, hw)))
        return tokens

    def take(self) -> list[Tensor]:
        """Maps of ``tapped``, (B, C' / 4, H', W'), kept no longer."""
        maps, self._maps = self._maps, []
        return maps

    def grid(self, size: int) -> int:
        """Cells of the result along an axis of ``size`` pixels."""
        for conv in self.convs:
            size = conv.grid(size)  # type: ignore[operator]
        return size


class ConvStem(nn.Module):
    """Convolution, ReLU and max-pooling, some times over.

    The tokenizer of arXiv:2104.05704; nothing has a bias or a norm.

    Args:
        in_channels: C.
        dim: C'.
        kernel: Side of the kernels, odd.
        count: Convolutions.
        hidden_dim: Channels between them.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        kernel: int,
        count: int,
        hidden_dim: int = 64,
    ) -> None:
        super().__init__()
        widths = [in_channels, *[hidden_dim] * (count - 1), dim]
        stride = conv_stride(kernel)
        self.convs = nn.ModuleList(
            TokenConv(*pair, kernel, stride, max(1, kernel // 2), bias=False)
            for pair in pairwise(widths)
        )
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N', C')."""
        for conv in self.convs:
            tokens = F.relu(conv(tokens, hw))
            hw = conv.grid(hw[0]), conv.grid(hw[1])  # type: ignore[operator]
            tokens = to_tokens(F.max_pool2d(to_map(tokens, hw), 3, 2, 1))
            hw = cells(hw[0], 3, 2, 1), cells(hw[1], 3, 2, 1)
        return tokens

    def grid(self, size: int) -> int:
        """Cells of the result along an axis of ``size`` pixels."""
        for conv in self.convs:
            size = cells(conv.grid(size), 3, 2, 1)  # type: ignore[operator]
        return size


class Embedding(nn.Module):
    """A stem, positions, and the class and register tokens.

    Args:
        stem: Maps (tokens, grid) to fewer tokens, and tells by
            ``grid(size)`` how many cells an axis has.
        dim: Channels.
        multiple: Images get rows of zeros below and columns of zeros on the
            right, up to multiples of so many pixels: then the stem leaves no
            pixel out, and a cell's place is that of its patch.
        positions: Maps a grid to positions of the class token and of the
            cells; None is without.
        class_token: Whether there is one.
        registers: How many there are, after it.
    """

    def __init__(
        self,
        stem: nn.Module,
        dim: int,
        multiple: int,
        positions: nn.Module | None,
        *,
        class_token: bool,
        registers: int,
    ) -> None:
        super().__init__()
        self.proj = stem
        self.multiple = multiple
        self.positions = positions
        self.cls_token = _tokens(int(class_token), dim)
        self.registers = _tokens(registers, dim)

    @property
    def num_prefix(self) -> int:
        """Tokens before those of the grid."""
        both = (self.cls_token, self.registers)
        return sum(part.shape[1] for part in both if part is not None)

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, N, C) on an H x W grid -> (B, P + N', C') and its grid."""
        tokens, hw = self._pad(tokens, hw)
        tokens = self.proj(tokens, hw)
        hw = self.proj.grid(hw[0]), self.proj.grid(hw[1])  # type: ignore[operator]
        first = self.cls_token
        if self.positions is not None:
            slot, places = self.positions(hw)
            tokens = tokens + places
            if first is not None and slot.shape[1]:
                first = first + slot
        for prefix in (self.registers, first):
            if prefix is not None:
                tokens = prepend(prefix, tokens)
        return tokens, hw

    def _pad(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        rows, cols = (-size % self.multiple for size in hw)
        # a compiler would make a graph for sizes that need none
        if not torch.compiler.is_compiling() and not (rows or cols):
            return tokens, hw
        padded = F.pad(tokens.unflatten(1, hw), (0, 0, 0, cols, 0, rows))
        return padded.flatten(1, 2), (hw[0] + rows, hw[1] + cols)

    def grid(self, size: int) -> int:
        """Cells along an axis of ``size`` pixels."""
        return self.proj.grid(size + -size % self.multiple)  # type: ignore[operator]


def _tokens(count: int, dim: int) -> nn.Parameter | None:
    if not count:
        return None
    return nn.Parameter(
        nn.init.trunc_normal_(torch.empty(1, count, dim), std=0.02)
    )


class Carry(nn.Module):
    """In place of an embedding: goes on with the tokens that are given."""

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """(B, P + N, C) and its grid -> the same."""
        return tokens, hw

    def grid(self, size: int) -> int:
        """As many cells as are given."""
        return size
