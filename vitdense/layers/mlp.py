"""Feed-forward networks of transformer blocks.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.bands import Projection
from vitdense.layers.hooks import untouched
from vitdense.layers.token_conv import TokenConv


@dataclass(frozen=True)
class Activation:
    """An activation, and its form that overwrites what it is given."""

    apply: Callable[[Tensor], Tensor]
    overwrite: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor, maker: nn.Module) -> Tensor:
        """Activates what ``maker`` has just made.

        In place while nothing records it: not gradients, nor a compiler, nor
        hooks or adapters of its maker.
        """
        recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if recorded or not untouched(maker, nn.Linear, TokenConv):
            return self.apply(x)
        return self.overwrite(x)


GELU = Activation(F.gelu, torch.ops.aten.gelu_)
RELU = Activation(F.relu, F.relu_)
SILU = Activation(F.silu, torch.ops.aten.silu_)


class Mlp(nn.Module):
    """Linear, activation, Linear.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
        act: Activation.
    """

    halo = 0  # rows that a row of hidden tokens looks up and down

    def __init__(self, dim: int, hidden_dim: int, act: Activation) -> None:
        super().__init__()
        self.hidden_dim = hidden_dim
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = act
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, C)."""
        return self.fc2(self.hidden(tokens, hw))

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        return self.act(self.fc1(tokens), self.fc1)

    def projection(self) -> Projection:
        """The network as bands compute it."""
        if untouched(self.fc2, nn.Linear):
            return Projection(self.hidden, self.fc2.weight, self.fc2.bias)
        return Projection(self, None, None)
