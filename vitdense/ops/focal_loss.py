"""Sigmoid focal loss, called as mmcv calls its compiled operator.

N samples, C classes. mmdet calls it on CUDA, and has its own code for the CPU.
The host never waits for the device.
Source: equations 4 and 5 of arXiv:1708.02002.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def sigmoid_focal_loss_forward(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fills ``output`` (N, C) with the loss of every class.

    Args:
        logits: (N, C).
        target: (N,) class of each sample; C for none.
        weight: (C,) weight of each target class, or empty.
        output: (N, C), written to.
        gamma: Exponent that plays down the well classified.
        alpha: Weight of the target class; the others get ``1 - alpha``.
    """
    sign, balance = _signs(logits, target, weight, alpha)
    right = sign * logits.float()
    output.copy_(-balance * (-right).sigmoid() ** gamma * F.logsigmoid(right))


@torch.no_grad()
def sigmoid_focal_loss_backward(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fills ``grad_input`` (N, C) with the loss's derivative.

    The other arguments are those of ``sigmoid_focal_loss_forward``.
    """
    sign, balance = _signs(logits, target, weight, alpha)
    right = sign * logits.float()
    wrong = (-right).sigmoid()
    slope = wrong - gamma * right.sigmoid() * F.logsigmoid(right)
    grad_input.copy_(-sign * balance * wrong**gamma * slope)


def _signs(
    logits: Tensor, target: Tensor, weight: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """(N, C) each: 1 at the target and -1 elsewhere; the loss's factor."""
    classes = torch.arange(logits.size(1), device=logits.device)
    hit = target[:, None] == classes
    balance = torch.where(hit, alpha, 1 - alpha)
    if weight.numel():
        balance = balance * weight[target, None].float()
    return torch.where(hit, 1.0, -1.0), balance
