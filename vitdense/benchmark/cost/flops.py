"""Parameters and FLOPs of any backbone, attention included.

torch's counter sees ``scaled_dot_product_attention`` on the ``meta`` device
and misses the fused CPU kernel; mmengine's counter misses both. So the model
is counted as a copy on ``meta``, where nothing is computed or allocated.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Count(NamedTuple):
    """Size and work of a model, whatever it runs on.

    Attributes:
        parameters: Learned values.
        flops: Floating-point operations of one forward pass in eval mode:
            two for each multiplication with addition in matrix products,
            convolutions and attention. Norms, activations and interpolation
            are not counted, as in the papers.
    """

    parameters: int
    flops: int

    @property
    def macs(self) -> float:
        """Multiply-accumulates; what papers on backbones call FLOPs."""
        return self.flops / 2


def count_flops(
    model: nn.Module,
    size: tuple[int, int],
    batch: int = 1,
    in_channels: int = 3,
) -> Count:
    """Counts a model's parameters and the FLOPs of a forward pass.

    Args:
        model: Takes (batch, in_channels, height, width); is not changed.
        size: Height and width of the images, in pixels.
        batch: Images.
        in_channels: Channels of the images.

    Raises:
        ValueError: If the images are too small for a vitdense backbone.
    """
    twin = copy.deepcopy(model).to('meta')
    twin.eval()  # on its own: not every library's eval gives the model
    # the counter cannot follow a parameter that a module hands on as it is
    twin.requires_grad_(False)
    images = torch.empty(batch, in_channels, *size, device='meta')
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(images)
    parameters = sum(p.numel() for p in model.parameters())
    return Count(parameters, counter.get_total_flops())
