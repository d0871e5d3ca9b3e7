"""Feed-forward networks of transformer blocks.

B images, N = H * W tokens, C channels.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.band import divide
from vitdense.layers.bands import (
    Projection,
    add_branch,
    project_bands,
    runs_in_bands,
)
from vitdense.layers.token_conv import TokenConv

Activation = Callable[[Tensor], Tensor]


def gelu(x: Tensor) -> Tensor:
    """GELU; in place while no gradients are recorded: ``x`` is given up."""
    return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)


def silu(x: Tensor) -> Tensor:
    """SiLU; in place while no gradients are recorded: ``x`` is given up."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class Mlp(nn.Module):
    """Linear, activation, Linear.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
        act: Activation, a function of one tensor.
    """

    halo = 0  # rows that a row of hidden tokens looks up and down
    # hidden values up to which they are kept for the backward pass
    kept_values = 0

    def __init__(self, dim: int, hidden_dim: int, act: Activation) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = act
        self.fc2 = nn.Linear(hidden_dim, dim)

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        return self.act(self.fc1(tokens))

    def out(self) -> Projection:
        """What the hidden tokens are projected with."""
        return Projection(self.fc2.weight, self.fc2.bias)

    def forward(
        self,
        tokens: Tensor,
        hw: tuple[int, int],
        norm: nn.Module,
        scale: Tensor | None,
    ) -> Tensor:
        """(B, N, C) -> (B, N, C), the tokens and the network's output added.

        Args:
            tokens: Tokens of an H x W grid.
            hw: Rows and columns.
            norm: Applied to each token first. It comes in here, so that its
                output needs not be kept for the backward pass either.
            scale: (B, 1, 1), multiplies the network's output; None is 1.
        """
        if not runs_in_bands(tokens) or self._keeps(tokens):
            wide = self.hidden(norm(tokens), hw)
            return add_branch(tokens, F.linear(wide, *self.out()), scale)
        # independent tokens, a class token perhaps among them: one column
        grid = hw if self.halo else (tokens.shape[1], 1)
        learned = [
            p
            for name, p in self.named_parameters()
            if not name.startswith('fc2.')
        ]
        return project_bands(
            tokens,
            tokens.shape[:2],
            divide(len(tokens), grid, self.fc2.in_features, self.halo),
            lambda part, band: self.hidden(norm(part), band.hw),
            [*norm.parameters(), *learned],
            self.out(),
            residual=True,
            scale=scale,
        )

    def _keeps(self, tokens: Tensor) -> bool:
        values = tokens.shape[0] * tokens.shape[1] * self.fc2.in_features
        return torch.is_grad_enabled() and values <= self.kept_values


class QuickGeluMlp(Mlp):
    """Linear, QuickGELU, Linear; QuickGELU(x) = x * sigmoid(1.702 * x).

    The feed-forward network of the official CvT.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
    """

    # computing them again is 6 % of the arithmetic of training CvT-13
    kept_values = 1 << 22

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__(dim, hidden_dim, silu)

    @property
    def slope(self) -> float:
        """What QuickGELU multiplies its argument with."""
        # no attribute: compilers take those as variables at dynamic sizes,
        # and fail to pass them into blocks that are recomputed
        return 1.702

    # QuickGELU(x) = silu(slope * x) / slope: one kernel for three, and
    # scaling weights costs less than scaling what they make

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim), slope times the hidden tokens."""
        weight = self.fc1.weight * self.slope
        return self.act(F.linear(tokens, weight, self.fc1.bias * self.slope))

    def out(self) -> Projection:
        """Takes the slope out again."""
        return Projection(self.fc2.weight / self.slope, self.fc2.bias)


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
        self.dwconv = TokenConv(
            hidden_dim, hidden_dim, 3, 1, 1, groups=hidden_dim
        )

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        wide = self.conv_act(self.fc1(tokens))
        return self.act(self.dwconv(wide, hw))
