"""Stochastic depth (arXiv:1603.09382)."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """Drops a residual branch for whole samples while training.

    Kept samples are scaled by ``1 / (1 - rate)``, so that the expectation
    stays.

    Args:
        rate: Share of samples whose branch is dropped, in [0, 1).

    Raises:
        ValueError: If the rate is outside [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f'drop path rate {rate!r} is not in [0, 1)')
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        scale = self.scale(branch)
        return branch if scale is None else branch * scale

    def scale(self, tokens: Tensor) -> Tensor | None:
        """(B, N, C) -> (B, 1, 1), what to multiply the branch with.

        None while nothing is dropped.
        """
        if not self.training or self.rate == 0:
            return None
        keep = 1 - self.rate
        mask = tokens.new_empty(len(tokens), 1, 1)
        return mask.bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        return f'rate={self.rate:g}'


def ramp(rate: float, length: int) -> tuple[float, ...]:
    """Drop rates rising linearly from 0 to ``rate`` over ``length`` blocks."""
    last = max(length - 1, 1)
    return tuple(rate * i / last for i in range(length))
