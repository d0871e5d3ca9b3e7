"""PVT v2's convolutional feed-forward network.

B images, H x W grid, N = H * W tokens, C channels.
"""

from torch import Tensor

from vitdense.layers.mlp import Activation, Mlp
from vitdense.layers.token_conv import TokenConv


class ConvMlp(Mlp):
    """Linear, depthwise 3 x 3 convolution, activation, Linear.

    Section 3.3 of arXiv:2106.13797.

    Args:
        dim: Channels.
        hidden_dim: Channels between the two projections.
        act: Activation after the convolution.
        conv_act: Activation before the convolution, ReLU with linear spatial
            reduction; None is without.
    """

    halo = 1

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        act: Activation,
        conv_act: Activation | None = None,
    ) -> None:
        super().__init__(dim, hidden_dim, act)
        self.conv_act = conv_act
        self.dwconv = TokenConv(
            hidden_dim, hidden_dim, 3, 1, 1, groups=hidden_dim
        )

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) on an H x W grid -> (B, N, hidden_dim)."""
        wide = self.fc1(tokens)
        if self.conv_act is not None:
            wide = self.conv_act(wide, self.fc1)
        return self.act(self.dwconv(wide, hw), self.dwconv)
