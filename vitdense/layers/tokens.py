"""Tokens and maps: two views of the same memory.

B images, C channels, H x W grid, N = H * W tokens.
"""

from torch import Tensor


def to_map(tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    """(B, N, C) -> (B, C, H, W), a channels-last view without a copy."""
    # Unflattened before the permutation: the other way round a single image
    # gets a batch stride of C, and oneDNN reorders the map, 25 times slower.
    return tokens.unflatten(1, hw).permute(0, 3, 1, 2)


def to_tokens(feature_map: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, C); no copy where the map is channels-last."""
    return feature_map.flatten(2).transpose(1, 2).contiguous()
