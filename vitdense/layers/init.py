"""Random weights as the official repositories draw them."""

import math

from torch import nn


def init_transformer(module: nn.Module, conv_fan_out: bool) -> None:
    """Draws the weights of Linears, convolutions and norms in ``module``.

    Linears: truncated normal of standard deviation 0.02, bias 0.

    Args:
        module: Its parts are initialised in place.
        conv_fan_out: Whether convolutions get bias 0 and a normal of variance
            2 / fan_out, counting the outputs of a value's own group (PVT v2);
            else PyTorch's own scheme stays.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d) and conv_fan_out:
            group = part.out_channels // part.groups
            fan_out = math.prod(part.kernel_size) * group
            std = math.sqrt(2 / fan_out)
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
