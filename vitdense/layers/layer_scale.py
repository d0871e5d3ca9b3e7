"""LayerScale (arXiv:2103.17239): a learned factor for each channel."""

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """Multiplies each channel of a residual branch.

    Equation 4 of arXiv:2103.17239.

    Args:
        dim: Channels.
        init_value: What the factors start from.
    """

    def __init__(self, dim: int, init_value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), init_value))

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return tokens * self.gamma

    def scaled_rows(self, weight: Tensor) -> Tensor:
        """(C, D) -> (C, D), of a Linear that scales its own result."""
        return weight * self.gamma[:, None]
