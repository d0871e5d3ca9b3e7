"""The two halves of a masked convolution, as mmcv calls them.

One image of C channels; M cells at which the convolution is wanted. mmcv
multiplies what the first gives by the weight and hands it to the second.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fills ``col`` (C * kernel_h * kernel_w, M) with what a kernel sees.

    Args:
        im: (1, C, H, W).
        mask_h_idx: (M,), rows of the cells.
        mask_w_idx: (M,), columns of the cells.
        col: Written to.
        kernel_h: Rows of the kernel.
        kernel_w: Columns of the kernel.
        pad_h: Rows of zeros on either side.
        pad_w: Columns of zeros on either side.
    """
    row = torch.arange(kernel_h, device=im.device)[:, None, None]
    column = torch.arange(kernel_w, device=im.device)[:, None]
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    seen = padded[:, mask_h_idx + row, mask_w_idx + column]
    col.copy_(seen.flatten(0, 2))


@torch.no_grad()
def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Puts ``col`` (C, M) at its cells in ``im`` (1, C, H, W).

    Args:
        col: What the convolution gives.
        mask_h_idx: (M,), rows of the cells.
        mask_w_idx: (M,), columns of the cells.
        im: Written to.
        height: H.
        width: W.
        channels: C.
    """
    del height, width, channels
    im[0, :, mask_h_idx, mask_w_idx] = col
