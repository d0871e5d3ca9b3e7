"""Tokens and maps: two views of the same memory.

Rows and columns are split or joined while they are neighbours, before or
after the permutation. The other way round a single image, or its gradient,
gets a batch stride of C: PyTorch does not take that for channels-last, and
convolutions and BatchNorms are 6 to 25 times slower.

B images, C channels, H x W grid, N = H * W tokens.
"""

import torch
from torch import Tensor


def to_map(tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    """(B, N, C) -> (B, C, H, W), a channels-last view without a copy."""
    return tokens.unflatten(1, hw).permute(0, 3, 1, 2)


def to_tokens(feature_map: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, C); no copy where the map is channels-last."""
    return feature_map.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def prepend(prefix: Tensor, tokens: Tensor) -> Tensor:
    """(1, P, C), (B, N, C) -> (B, P + N, C), the same prefix in each image."""
    prefix = prefix.expand(tokens.shape[0], -1, -1).to(tokens.dtype)
    return torch.cat((prefix, tokens), 1)
