"""Stochastic depth (arXiv:1603.09382)."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """Drops a residual branch for whole samples while training.

    Kept samples are scaled by ``1 / (1 - rate)``, so that the expectation
    stays. Apply it to the branch, before the residual is added.

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
        """(B, ...) -> (B, ...)."""
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        mask = branch.new_empty((len(branch),) + (1,) * (branch.dim() - 1))
        return branch * mask.bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        return f'rate={self.rate:g}'


def ramp(rate: float, length: int) -> tuple[float, ...]:
    """Drop rates rising linearly from 0 to ``rate`` over ``length`` blocks."""
    last = max(length - 1, 1)
    return tuple(rate * i / last for i in range(length))
