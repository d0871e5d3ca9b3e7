"""BatchNorm over the batches of all processes, on CPUs.

PyTorch's ``SyncBatchNorm`` refuses tensors that are on no accelerator.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce, is_initialized
from torch.nn.modules.batchnorm import _BatchNorm


class _Total(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, number: Tensor) -> Tensor:
        total = number.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone()
        all_reduce(total)
        return total


def _total(number: Tensor) -> Tensor:
    return cast('Tensor', _Total.apply(number))


class CPUSyncBatchNorm(_BatchNorm):
    """``torch.nn.SyncBatchNorm`` whose tensors are on a CPU.

    It takes the same sums over all processes, and gradients through them.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        if input.dim() < 2:
            raise ValueError(f'expected (B, C, ...), got {tuple(input.shape)}')

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - its name
        """(B, C, ...) -> (B, C, ...).

        Raises:
            ValueError: In training, if there is one value per channel in all
                processes together.
        """
        if not self.training or not is_initialized():
            return super().forward(input)
        self._check_input_dim(input)
        axes = [0, *range(2, input.dim())]
        values = input.float()  # what autocast may have in bfloat16
        count = values.new_tensor([values.numel() / values.size(1)])
        packed = torch.cat([values.sum(axes), count])
        sums, count = _total(packed).split([self.num_features, 1])
        if count <= 1:
            raise ValueError(
                'Expected more than 1 value per channel when training, got '
                f'input size {tuple(input.shape)} in each process'
            )
        column = [1, -1, *[1] * (input.dim() - 2)]  # beside (B, C, ...)
        mean = sums / count
        centred = values - mean.view(column)
        variance = _total(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        result = centred * scale.view(column)
        if self.affine:
            result = result + self.bias.view(column)
        return result.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics; the variance without its bias."""
        if self.running_mean is None or self.running_var is None:
            return
        seen = cast('Tensor', self.num_batches_tracked).add_(1)
        share = 1 / float(seen) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)


def share_statistics_on_cpu(model: nn.Module) -> None:
    """Put ``CPUSyncBatchNorm`` in the place of PyTorch's; parameters and
    buffers stay the same tensors."""
    for module in model.modules():
        for name, child in module.named_children():
            if not isinstance(child, nn.SyncBatchNorm):
                continue
            norm = CPUSyncBatchNorm(
                child.num_features,
                child.eps,
                child.momentum,
                child.affine,
                child.track_running_stats,
            )
            tensors = (child.named_parameters, child.named_buffers)
            for key, tensor in (pair for each in tensors for pair in each()):
                setattr(norm, key, tensor)
            norm.train(child.training)
            module.add_module(name, norm)
