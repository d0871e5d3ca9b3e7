"""Deformable convolution, and its gradients, on every device.

B images of C channels and H x W cells; O output channels of P x Q cells; T
taps of the kernel; D deformable groups, which share offsets, and G groups of
the convolution. The host never waits for the device.
Source: arXiv:1703.06211, and with a mask arXiv:1811.11168.

torchvision's operator is not used: its derivative at exactly one cell outside
of the map is another, and there every padded layer with zero offsets begins.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vitdense.ops.sampling import bilinear, sum_rows

# Sampled values at a time; 64 MiB in single precision.
_VALUES = 2**24


class Geometry(NamedTuple):
    """What a deformable convolution is besides its tensors; (y, x) pairs."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    deform_groups: int

    def output_size(self, x: Tensor) -> tuple[int, int]:
        """(P, Q) to an input (B, C, H, W)."""
        high, wide = (
            (cells + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for cells, kernel, stride, padding, dilation in zip(
                x.shape[2:], *self[:4], strict=True
            )
        )
        return high, wide

    def taps(self, size: Sequence[int], device: torch.device) -> list[Tensor]:
        """Where the taps of P x Q output cells look without offsets.

        Returns:
            (P * Q, T, 1) along y and along x, in cells of the input.
        """
        y, x = (
            torch.arange(cells, device=device)[:, None] * stride
            + torch.arange(kernel, device=device) * dilation
            - padding
            for cells, kernel, stride, padding, dilation in zip(
                size, *self[:4], strict=True
            )
        )
        shape = (*size, *self.kernel)
        return [
            axis.expand(shape).reshape(-1, self.kernel[0] * self.kernel[1], 1)
            for axis in (y[:, None, :, None], x[None, :, None, :])
        ]


class Operands(NamedTuple):
    """The tensors of a deformable convolution, or their gradients."""

    x: Tensor
    """(B, C, H, W)"""
    offset: Tensor
    """(B, D * T * 2, P, Q): y and x of each tap, in cells."""
    mask: Tensor | None
    """(B, D * T, P, Q): a factor of each tap, if there is one."""
    weight: Tensor
    """(O, C / G, kernel height, kernel width)"""

    def image(self, index: int, cells: int) -> list[Tensor]:
        """(C, H * W), (D * T * 2, cells) and (D * T, cells) of one image.

        They share the memory of these tensors. Offsets and mask of more
        cells are read as the compiled operator does: its numbers in memory,
        from the first on. mmdet's DyHead relies on that, see ``_check``.
        """
        moves = [t[index] for t in (self.offset, self.mask) if t is not None]
        return [
            self.x[index].flatten(1),
            *(m.flatten()[: len(m) * cells].view(-1, cells) for m in moves),
        ]


def convolve(given: Operands, how: Geometry) -> Tensor:
    """The output, (B, O, P, Q).

    Raises:
        ValueError: Shapes do not fit.
    """
    _check(given, how)
    size = how.output_size(given.x)
    cells = math.prod(size)
    out = given.x.new_empty(len(given.x), len(given.weight), cells)
    for i in range(len(out)):
        for some, part in _parts(given.image(i, cells), given, how):
            out[i, :, some] = part
    return out.unflatten(2, size)


def gradients(
    given: Operands,
    grad: Tensor,
    how: Geometry,
    *,
    of_images: bool,
    of_weight: bool,
) -> Operands:
    """From that of the output, (B, O, P, Q); zeros where not asked for.

    What was sampled is sampled once more instead of being kept.

    Args:
        given: As ``convolve`` was given.
        grad: Gradient of its result.
        how: As it was given.
        of_images: Whether those of all but the weight are asked for.
        of_weight: Whether the weight's is.
    """
    found = Operands(
        given.x.new_zeros(given.x.shape),
        given.offset.new_zeros(given.offset.shape),
        None if given.mask is None else given.mask.new_zeros(given.mask.shape),
        given.weight.new_zeros(given.weight.shape),
    )
    weight = given.weight.detach().requires_grad_(of_weight)
    given = given._replace(weight=weight)
    for i, image_grad in enumerate(grad.flatten(2)):
        cells = image_grad.size(1)
        leaves = [
            tensor.detach().requires_grad_(of_images)
            for tensor in given.image(i, cells)
        ]
        with torch.enable_grad():
            for some, part in _parts(leaves, given, how):
                part.backward(image_grad[:, some])
        for total, leaf in zip(found.image(i, cells), leaves, strict=True):
            if leaf.grad is not None:
                total.copy_(leaf.grad)
    if weight.grad is not None:
        found.weight.copy_(weight.grad)
    return found


def _parts(
    image: list[Tensor], given: Operands, how: Geometry
) -> Iterator[tuple[slice, Tensor]]:
    """The output of one image, some cells at a time.

    Args:
        image: As of ``Operands.image``.
        given: Where the weight is, and sizes.
        how: Stride and the like.

    Yields:
        Which N of the P * Q cells, and (O, N).
    """
    maps, offset, *mask = image
    height, width = given.x.shape[2:]
    groups, taps = how.deform_groups, math.prod(how.kernel)
    rows = maps.mT.reshape(-1, len(maps) // groups)
    group = torch.arange(groups, device=maps.device)
    y, x = how.taps(how.output_size(given.x), maps.device)
    move_y, move_x = offset.view(groups, taps, 2, -1).permute(2, 3, 1, 0)
    step = max(1, _VALUES // (taps * len(maps)))
    for start in range(0, len(y), step):
        cells = slice(start, start + step)
        index, share = bilinear(
            y[cells] + move_y[cells], x[cells] + move_x[cells], height, width
        )
        if mask:
            factor = mask[0].view(groups, taps, -1).permute(2, 1, 0)
            share = share * factor[cells, ..., None]
        index = index * groups + group[:, None]
        sampled = sum_rows(rows, index.flatten(0, 2), share.flatten(0, 2))
        sampled = sampled.view(-1, taps, len(maps))
        yield cells, _product(sampled, given.weight, how.groups)


def _product(sampled: Tensor, weight: Tensor, groups: int) -> Tensor:
    """(N, T, C), (O, C / G, kernel) -> (O, N)."""
    apart = sampled.unflatten(2, (groups, -1)).permute(2, 0, 1, 3).flatten(2)
    factors = weight.flatten(2).mT.flatten(1).unflatten(0, (groups, -1))
    return (factors @ apart.mT).flatten(0, 1)


def _check(given: Operands, how: Geometry) -> None:
    """Refuses shapes that do not fit.

    With a mask there may be offsets of more cells than the output has:
    mmdet's DyHead, and its published weights, bring those of a finer level.
    """
    channels, size = given.x.size(1), how.output_size(given.x)
    maps = how.deform_groups * math.prod(how.kernel)
    for name, tensor, count in (
        ('offset', given.offset, 2 * maps),
        ('mask', given.mask, maps),
    ):
        if tensor is None:
            continue
        shape = (len(given.x), count, *size)
        larger = given.mask is not None and tensor[0, 0].numel() > math.prod(
            size
        )
        if tensor.shape[: 2 if larger else 4] != shape[: 2 if larger else 4]:
            raise ValueError(
                f'{name} of a deformable convolution has the shape '
                f'{tuple(tensor.shape)}; to an input of '
                f'{tuple(given.x.shape)}, a kernel of {how.kernel} and '
                f'{how.deform_groups} deformable groups belongs {shape}'
            )
    if channels != given.weight.size(1) * how.groups:
        raise ValueError(
            f'input of {channels} channels, but a deformable convolution '
            f'with {how.groups} groups of {given.weight.size(1)}'
        )
    if channels % how.deform_groups:
        raise ValueError(
            f'{channels} channels cannot be divided into '
            f'{how.deform_groups} deformable groups'
        )
