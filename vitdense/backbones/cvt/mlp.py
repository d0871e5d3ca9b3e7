"""The feed-forward network of the official CvT.

B images, N tokens, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.bands import Projection
from vitdense.layers.hooks import untouched
from vitdense.layers.mlp import SILU, Activation, Mlp

SLOPE = 1.702


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 * x)."""
    # a literal: compilers take floats of other scopes as variables at dynamic
    # sizes, and fail to pass them into blocks that are recomputed
    return F.silu(1.702 * x) / 1.702


QUICK_GELU = Activation(
    quick_gelu, lambda x: SILU.overwrite(x.mul_(SLOPE)).div_(SLOPE)
)


class QuickGeluMlp(Mlp):
    """Linear, QuickGELU, Linear.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__(dim, hidden_dim, QUICK_GELU)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        if torch.compiler.is_compiling():
            return super().forward(tokens, hw)
        wide = self.projection()
        if wide.weight is None:
            return super().forward(tokens, hw)
        return F.linear(wide.hidden(tokens, hw), wide.weight, wide.bias)

    def projection(self) -> Projection:
        """The network with the slope in its weights, where they are plain.

        QuickGELU(x) = silu(slope * x) / slope: one kernel for three, and
        scaling weights costs less than scaling what they make.
        """
        fc1, fc2 = self.fc1, self.fc2
        alone = untouched(fc1, nn.Linear) and untouched(fc2, nn.Linear)
        if not alone or fc1.bias is None:
            return Projection(super().forward, None, None)
        return Projection(self._steep_hidden, fc2.weight / SLOPE, fc2.bias)

    def _steep_hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim), slope times the hidden tokens."""
        weight, bias = self.fc1.weight * SLOPE, self.fc1.bias * SLOPE
        return SILU(F.linear(tokens, weight, bias), self.fc1)
