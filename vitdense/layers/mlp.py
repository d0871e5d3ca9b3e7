"""Feed-forward networks of transformer blocks.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.bands import project_hidden
from vitdense.layers.tokens import to_map, to_tokens

Activation = Callable[[Tensor], Tensor]


class Mlp(nn.Module):
    """Linear, activation, Linear.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
        act: Activation, a function of one tensor.
    """

    halo = 0  # rows that a row of hidden tokens looks up and down

    def __init__(self, dim: int, hidden_dim: int, act: Activation) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = act
        self.fc2 = nn.Linear(hidden_dim, dim)

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        return self.act(self.fc1(tokens))

    def forward(
        self, tokens: Tensor, hw: tuple[int, int], norm: nn.Module
    ) -> Tensor:
        """(B, N, C) -> (B, N, C).

        Args:
            tokens: Tokens of an H x W grid.
            hw: Rows and columns.
            norm: Applied to each token first. It comes in here, so that its
                output needs not be kept for the backward pass either.
        """
        learned = [
            p
            for name, p in self.named_parameters()
            if not name.startswith('fc2.')
        ]
        return project_hidden(
            tokens,
            hw,
            lambda part, part_hw: self.hidden(norm(part), part_hw),
            [*norm.parameters(), *learned],
            self.fc2,
            self.halo,
        )


class QuickGeluMlp(Mlp):
    """Linear, QuickGELU, Linear; QuickGELU(x) = x * sigmoid(1.702 * x).

    The feed-forward network of the official CvT.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
    """

    slope = 1.702

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__(dim, hidden_dim, F.silu)

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        # QuickGELU(x) = silu(slope * x) / slope: one kernel for three, and
        # scaling weights costs less than scaling what they make
        weight = self.fc1.weight * self.slope
        steep = F.linear(tokens, weight, self.fc1.bias * self.slope)
        return self.act(steep).div_(self.slope)


class ConvMlp(Mlp):
    """Linear, depthwise 3 x 3 convolution, activation, Linear.

    PVT v2's convolutional feed-forward network, section 3.3 of
    arXiv:2106.13797.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
        act: Activation after the convolution.
        conv_act: Activation before the convolution: the identity, or ReLU
            with linear spatial reduction.
    """

    halo = 1

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        act: Activation,
        conv_act: Activation,
    ) -> None:
        super().__init__(dim, hidden_dim, act)
        self.conv_act = conv_act
        self.dwconv = nn.Conv2d(
            hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim
        )

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        wide = self.conv_act(self.fc1(tokens))
        return self.act(to_tokens(self.dwconv(to_map(wide, hw))))
