"""A norm's results, in one process or two, as another process imports it."""

import torch
from torch import Tensor, distributed, nn

from vitdense.engine.sync_batch_norm import CPUSyncBatchNorm

CHANNELS = 3


def pictures(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, CHANNELS, 4, 5)
    return torch.randn(shape, generator=generator) * 2 + 7


def results(norm: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Output, gradients and statistics after three steps."""
    images = images.requires_grad_()
    for _ in range(3):
        norm.zero_grad()
        images.grad = None
        output = norm(images)
        (output * output.detach().cos()).sum().backward()
    assert images.grad is not None
    found = {'output': output.detach(), 'input.grad': images.grad}
    found |= dict(norm.named_buffers())
    for name, parameter in norm.named_parameters():
        assert parameter.grad is not None
        found[f'{name}.grad'] = parameter.grad
    return found


def in_two(rank: int, port: int, folder: str) -> None:
    """A process of two, with its half of the pictures."""
    distributed.init_process_group(
        'gloo',
        init_method=f'tcp://127.0.0.1:{port}',
        rank=rank,
        world_size=2,
    )
    # three and one: halves need not be of one size
    half = pictures(4)[[slice(3), slice(3, 4)][rank]]
    torch.save(
        results(CPUSyncBatchNorm(CHANNELS), half), f'{folder}/{rank}.pth'
    )
    distributed.destroy_process_group()
