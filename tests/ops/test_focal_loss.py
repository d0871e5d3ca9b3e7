"""Sigmoid focal loss equals its formula, written out in mmdet."""

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss
from mmdet.models.losses.focal_loss import py_focal_loss_with_prob
from torch.testing import assert_close


def formula(logits, target, gamma, alpha):
    """(N, C), (N,) -> (N, C), by mmdet's differentiable code.

    In double precision: it takes the logarithm of a rounded probability.
    """
    logits = logits.double()
    classes = logits.size(1)
    hot = torch.nn.functional.one_hot(target, classes + 1)[:, :classes]
    return py_focal_loss_with_prob(
        logits.sigmoid(), hot.to(logits), None, gamma, alpha, reduction='none'
    )


@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (1.5, 0.6)])
@pytest.mark.parametrize('reduction', ['none', 'sum', 'mean'])
def test_loss_and_gradient(gamma, alpha, reduction):
    logits = 3 * torch.randn(40, 5)
    target = torch.randint(0, 6, (40,))  # 5: background
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = sigmoid_focal_loss(ours, target, gamma, alpha, None, reduction)
    expected = formula(theirs, target, gamma, alpha)
    if reduction != 'none':
        expected = expected.sum() / (40 if reduction == 'mean' else 1)
    assert_close(loss.detach(), expected.detach().float())
    loss.sum().backward()
    expected.sum().backward()
    assert_close(ours.grad, theirs.grad)


def test_class_weights():
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    weight = torch.tensor([1.0, 0.5, 3.0])
    plain = sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    weighted = sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, 'none')
    assert_close(weighted, plain * weight[target, None])


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[80.0, -80.0]], requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([1]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
