"""The performer estimates softmax attention, at a cost linear in N."""

import math

import torch

from vitdense.backbones.t2t.module import T2TAttention, T2TPerformer
from vitdense.backbones.t2t.performer import performer_attend, random_features


def test_features_are_orthogonal() -> None:
    w = random_features(8, 16)
    torch.testing.assert_close(w @ w.T, 8 * torch.eye(8))


def test_equals_the_definition() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 7, 6, dtype=torch.double)
    w = random_features(3, 6).double()

    def features(x: torch.Tensor) -> torch.Tensor:
        exponent = x @ w.T - (x * x).sum(-1, keepdim=True) / 2
        return exponent.exp() / math.sqrt(3)

    scores = features(q) @ features(k).transpose(1, 2)
    expected = scores @ v / (scores.sum(-1, keepdim=True) + 1e-8)
    torch.testing.assert_close(performer_attend(q, k, v, w), expected)


def test_estimates_softmax() -> None:
    torch.manual_seed(0)
    q, k, v = (x / 2 for x in torch.randn(3, 1, 20, 8))
    w = torch.randn(20000, 8)
    expected = (q @ k.transpose(1, 2)).softmax(-1) @ v
    error = performer_attend(q, k, v, w) - expected
    assert error.abs().max() < 0.05 < expected.abs().max() / 5


def test_half_precision_stays_finite() -> None:
    """Features of long vectors are too small for half precision."""
    torch.manual_seed(0)
    w = random_features(32, 64)
    for dtype in (torch.float16, torch.bfloat16):
        q, k, v = (2 * torch.randn(3, 1, 50, 64)).to(dtype)
        q.requires_grad_()
        with torch.autocast('cpu', torch.bfloat16):
            out = performer_attend(q, k, v, w)
        assert out.dtype == dtype
        out.float().square().sum().backward()
        assert out.isfinite().all()
        assert q.grad.isfinite().all()
        exact = performer_attend(q.float(), k.float(), v.float(), w)
        torch.testing.assert_close(out, exact.to(dtype))


def test_features_vanish_without_nan() -> None:
    q, k, v = torch.full((3, 1, 4, 8), 50.0)
    out = performer_attend(q, k, v, random_features(4, 8))
    assert out.isfinite().all()


def test_features_are_stored_and_fixed() -> None:
    attn = T2TPerformer(16)
    assert attn.state_dict()['w'].shape == (8, 16)
    assert 'w' not in dict(attn.named_parameters())


def test_residual_is_from_the_values() -> None:
    torch.manual_seed(0)
    projected = torch.randn(2, 9, 24)
    first, second, third = projected.chunk(3, -1)
    softmax, performer = T2TAttention(8, 0.3), T2TPerformer(8)
    scores = 0.3 * first @ second.transpose(1, 2)
    torch.testing.assert_close(
        softmax(projected, (3, 3)),
        third + softmax.proj(scores.softmax(-1) @ third),
    )
    # the published performer keeps keys before queries
    torch.testing.assert_close(
        performer(projected, (3, 3)),
        third
        + performer.proj(performer_attend(second, first, third, performer.w)),
    )
