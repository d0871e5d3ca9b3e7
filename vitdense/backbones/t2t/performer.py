"""The performer: softmax attention estimated by positive random features.

B images, N tokens, C channels, m features.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def random_features(count: int, dim: int) -> Tensor:
    """(count, dim) orthogonal directions of length sqrt(count)."""
    directions = torch.empty(count, dim)
    return nn.init.orthogonal_(directions) * math.sqrt(count)


def performer_attend(q: Tensor, k: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """(B, N, C), (B, M, C), (B, M, C), (m, C) -> (B, N, C).

    Equation 5 of arXiv:2009.14794: exp(q @ k) is the expectation of a product
    of features of q and of k, so cost is linear in N and M. Computed in
    float32 at least: features span more than half precision can hold.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        w: Random features.
    """
    # a local: compilers take global floats as variables at dynamic sizes, and
    # fail to pass them into blocks that are recomputed
    eps = 1e-8  # would be zero in half precision, which is not used here
    with _full_precision(v.device.type):
        wide = torch.promote_types(v.dtype, torch.float32)
        q_features = _features(q.to(wide), w.to(wide))
        k_features = _features(k.to(wide), w.to(wide))
        summary = k_features.transpose(1, 2) @ v.to(wide)
        total = k_features.sum(1).unsqueeze(2)
        # the published features are over sqrt(m): it cancels but for epsilon
        q_features = q_features / (q_features @ total + len(w) * eps)
        out = q_features @ summary
    return out.to(v.dtype)


def performer_weights(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """(B, N, C), (B, M, C), (m, C) -> (B, N, M): the attention it implies.

    For looking at: unlike ``performer_attend``, this builds the map.

    Args:
        q: Queries.
        k: Keys.
        w: Random features.
    """
    # one-hot values come out as the weights that they were taken with
    one_hot = torch.eye(k.shape[1], dtype=k.dtype, device=k.device)
    return performer_attend(q, k, one_hot.expand(len(k), -1, -1), w)


def _full_precision(device_type: str) -> AbstractContextManager[Any]:
    # there is no autocast on 'meta', where FLOPs are counted
    if not torch.amp.is_autocast_available(device_type):
        return nullcontext()
    return torch.autocast(device_type, enabled=False)


def _features(x: Tensor, w: Tensor) -> Tensor:
    """(B, N, C), (m, C) -> (B, N, m), positive."""
    half_norm = x.square().sum(-1, keepdim=True) / 2
    return F.linear(x, w).sub_(half_norm).exp_()
