"""Half of the channels from Linears, the rest by factors: T2T-ViT-Ghost.

Section 3.2 of arXiv:2101.11986, after GhostNet (arXiv:1911.11907): a channel
and its copy times a factor stand for two.

B images, N = H * W tokens, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers.layer_scale import LayerScale
from vitdense.layers.mlp import GELU, Mlp


class Ghost(LayerScale):
    """A copy of each channel, times a factor of its own.

    The official code has it as a convolution of one weight a channel, and
    draws it as that.

    Args:
        dim: Channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 1.0)
        nn.init.uniform_(self.gamma, -1, 1)


class GhostQKV(nn.Module):
    """Queries, keys and values, each a half by a Linear, and its ghost.

    Args:
        dim: Channels, an even number.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q = nn.Linear(dim, dim // 2, bias=False)
        self.kv = nn.Linear(dim, dim, bias=False)
        self.ghosts = nn.ModuleList(Ghost(dim // 2) for _ in range(3))

    def forward(
        self, tokens: Tensor, hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, C) -> three times the same."""
        halves = self.q(tokens), *self.kv(tokens).chunk(2, dim=-1)
        q, k, v = (
            torch.cat((half, ghost(half)), dim=-1)
            for half, ghost in zip(halves, self.ghosts, strict=True)
        )
        return q, k, v


class GhostMlp(Mlp):
    """Linear and GELU, and GELUs of their ghosts, then Linear.

    Args:
        dim: Channels.
        ratio: Hidden channels for each of ``dim``: one by the Linear, the
            others ghosts of it.
    """

    def __init__(self, dim: int, ratio: int) -> None:
        super().__init__(dim, dim * ratio, GELU)
        self.fc1 = nn.Linear(dim, dim)
        self.ghosts = nn.ModuleList(Ghost(dim) for _ in range(ratio - 1))

    def hidden(self, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, hidden_dim)."""
        made = super().hidden(tokens, hw)
        copies = (F.gelu(ghost(made)) for ghost in self.ghosts)
        return torch.cat((made, *copies), dim=-1)
