"""Levels of a pyramid as pictures."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# how much of the brightest and darkest cells is cut off, in parts
CUT = 0.02


def level_picture(level: Tensor) -> npt.NDArray[np.float32]:
    """Three principal components of a level's channels as red, green, blue.

    Cells of like features have like colours; colours of two levels, or of
    two pictures, tell nothing of each other.

    Args:
        level: ``(C, H, W)``, at least 3 channels.

    Returns:
        ``(H, W, 3)``, from 0 to 1.
    """
    cells = level.detach().double().cpu().flatten(1)
    cells = cells - cells.mean(1, keepdim=True)
    # eigenvectors of the covariance, largest last; each turned so that its
    # largest entry is positive, else its sign would be anything
    _, axes = torch.linalg.eigh(cells @ cells.mT)
    axes = axes[:, -3:].flip(1)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    shown = ((axes * largest.sign()).mT @ cells).view(3, *level.shape[1:])
    flat = shown.flatten(1)
    low, high = (flat.quantile(q, 1)[:, None, None] for q in (CUT, 1 - CUT))
    shown = (shown - low) / (high - low).clamp(min=1e-12)
    picture: npt.NDArray[np.float32] = (
        shown.clamp(0, 1).permute(1, 2, 0).float().numpy()
    )
    return picture
