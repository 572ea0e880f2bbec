"""Adversarial losses against their definitions and their known values at chance."""

import math

import pytest
import torch

from sw_mmseg.losses import AdversarialLoss, domain_accuracy, least_squares_adversarial, vanilla_adversarial


def test_values():
    """sigmoid(0) = 1/2: -ln(1/2) = ln 2. sigmoid(ln 3) = 3/4: -ln(3/4) for label 1, -ln(1/4) for label 0."""
    assert vanilla_adversarial(torch.zeros(2, 1, 3, 3), 1.0) == pytest.approx(math.log(2))
    score = torch.full((1,), math.log(3.0), dtype=torch.float64)
    assert vanilla_adversarial(score, 1.0) == pytest.approx(-math.log(3 / 4))
    assert vanilla_adversarial(score, 0.0) == pytest.approx(-math.log(1 / 4))
    scores = torch.tensor([0.5, 2.0, -1.0])
    assert least_squares_adversarial(scores, 1.0) == pytest.approx((0.25 + 1 + 4) / 3)
    assert least_squares_adversarial(scores, 0.0) == pytest.approx((0.25 + 4 + 1) / 3)


@pytest.mark.parametrize('function', [vanilla_adversarial, least_squares_adversarial])
@pytest.mark.parametrize('label', [0.0, 1.0])
def test_gradients(function, label):
    assert torch.autograd.gradcheck(
        lambda scores: function(scores, label), torch.randn(2, 1, 2, 3).double().requires_grad_()
    )


def test_extreme_and_half_precision_scores_stay_finite():
    scores = torch.tensor([-3e4, 3e4], dtype=torch.float16, requires_grad=True)
    for function in (vanilla_adversarial, least_squares_adversarial):
        loss = function(scores, 1.0)
        assert loss.dtype == torch.float32 and torch.isfinite(loss)
    assert vanilla_adversarial(scores, 1.0).item() == pytest.approx(1.5e4, rel=1e-3)


def test_accuracy_counts_the_right_side():
    scores = torch.tensor([-1.0, 0.2, 0.7, 2.0])
    assert domain_accuracy(scores, 1.0, 0.0) == 0.75 and domain_accuracy(scores, 0.0, 0.0) == 0.25
    assert AdversarialLoss('vanilla').accuracy(scores, 1.0) == 0.75
    assert AdversarialLoss('least_squares').accuracy(scores, 1.0) == 0.5


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"one of \['least_squares', 'vanilla'\], got 'hinge'"):
        AdversarialLoss('hinge')
