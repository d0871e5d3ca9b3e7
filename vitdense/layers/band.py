"""Bands of rows: which part of maps is computed at once.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

# Values of one band: few enough to stay in the cache, many enough for matrix
# products to reach their full rate.
BAND_VALUES = 1 << 21


class Band(NamedTuple):
    """Rows ``top:bottom`` of images ``first:last``, and a halo around them."""

    first: int
    last: int
    top: int
    bottom: int
    halo_top: int
    halo_bottom: int
    width: int

    @property
    def hw(self) -> tuple[int, int]:
        """Rows and columns, halo included."""
        return self.halo_bottom - self.halo_top, self.width

    def with_halo(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> the band's tokens, halo included; a view."""
        rows = slice(self.halo_top * self.width, self.halo_bottom * self.width)
        return tokens[self.first : self.last, rows]

    def of(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> the band's tokens without halo; a view."""
        rows = slice(self.top * self.width, self.bottom * self.width)
        return tokens[self.first : self.last, rows]

    def images(self, values: Tensor) -> Tensor:
        """(B, ...) -> those of the band's images; a view."""
        return values[self.first : self.last]

    def crop(self, tokens: Tensor) -> Tensor:
        """The band's tokens with halo -> without; a view."""
        start = (self.top - self.halo_top) * self.width
        return tokens[:, start : start + (self.bottom - self.top) * self.width]


Plan = tuple[Band, ...]


def divide(batch: int, hw: tuple[int, int], channels: int, halo: int) -> Plan:
    """Divides B maps of H x W into even bands of about ``BAND_VALUES``.

    Args:
        batch: Images.
        hw: Rows and columns of a map.
        channels: Values held at once for each token.
        halo: Rows needed above and below a band.
    """
    return tuple(_divide(batch, hw, channels, halo))


def _divide(
    batch: int, hw: tuple[int, int], channels: int, halo: int
) -> Iterator[Band]:
    height, width = hw
    values = height * width * channels
    images = max(1, round(BAND_VALUES / values))
    rows = -(-height // max(1, round(values / BAND_VALUES)))
    for first in range(0, batch, images):
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            yield Band(
                first,
                min(first + images, batch),
                top,
                bottom,
                max(top - halo, 0),
                min(bottom + halo, height),
                width,
            )
