"""Squeeze and excitation (arXiv:1709.01507) over tokens.

B images, N tokens, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.attention import Attention


class SqueezeExcite(nn.Module):
    """Scales channels by a gate computed from their means over tokens.

    Args:
        dim: Channels.
        reduction: The gate's hidden layer has ``dim // reduction`` channels.
    """

    def __init__(self, dim: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, dim // reduction, bias=False)
        self.fc2 = nn.Linear(dim // reduction, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        hidden = F.relu(self.fc1(tokens.mean(1, keepdim=True)))
        return tokens * torch.sigmoid(self.fc2(hidden))


class ExcitedAttention(Attention):
    """Attention, then squeeze and excitation.

    Args:
        reduction: Of the squeeze.
        The others are those of Attention.
    """

    def __init__(
        self, dim: int, num_heads: int, qkv: nn.Module, reduction: int
    ) -> None:
        super().__init__(dim, num_heads, qkv)
        self.se = SqueezeExcite(dim, reduction)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        return self.se(super().forward(tokens, hw))
