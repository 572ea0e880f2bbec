"""Entropy against values known by hand, at certainty and at ignorance, and its gradient."""

import math

import pytest
import torch

from sw_mmseg.losses import EntropyLoss, normalised_entropy, weighted_self_information


def test_values():
    """K = 4, p = (1/2, 1/4, 1/8, 1/8): in bits 1/2 + 2/4 + 3/8 + 3/8 = 7/4 of log2 4 = 2."""
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8]).double().log().view(1, 4, 1, 1) + 3
    expected = torch.tensor([1 / 2, 2 / 4, 3 / 8, 3 / 8]).double() / 2
    torch.testing.assert_close(weighted_self_information(logits).flatten(), expected)
    assert normalised_entropy(logits).item() == pytest.approx(7 / 8)
    loss, mean = EntropyLoss()(logits)
    assert loss.item() == mean.item() == pytest.approx(7 / 8)
    loss, mean = EntropyLoss(robust=2.0)(logits)
    assert loss.item() == pytest.approx(((7 / 8) ** 2 + 1e-6) ** 2) and mean.item() == pytest.approx(7 / 8)


def test_the_mean_is_over_images_and_pixels():
    logits = torch.zeros(2, 3, 4, 5)
    logits[1, 0] = 1e4  # certain
    assert EntropyLoss()(logits)[0].item() == pytest.approx(0.5)
    assert normalised_entropy(logits).shape == (2, 4, 5)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_a_probability_of_zero_is_safe(dtype):
    logits = torch.tensor([[3e4, -3e4, 0.0], [0.0, -110.0, -300.0]], dtype=dtype)[:, :, None, None].requires_grad_()
    maps = weighted_self_information(logits)
    assert maps.dtype == torch.float32 and torch.isfinite(maps).all() and maps.min() >= 0
    assert torch.equal(maps[0], torch.zeros_like(maps[0]))
    for loss in (EntropyLoss(), EntropyLoss(robust=2.0), EntropyLoss(robust=0.25)):
        (gradient,) = torch.autograd.grad(loss(logits)[0], logits)
        assert torch.isfinite(gradient).all()


def test_gradients():
    logits = torch.randn(2, 3, 2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(weighted_self_information, logits)
    assert torch.autograd.gradcheck(lambda x: EntropyLoss(robust=2.0)(x)[0], logits)


def test_the_largest_self_information_is_at_one_over_e():
    p = torch.linspace(0.01, 0.99, 99).double()
    maps = weighted_self_information(torch.stack([p, 1 - p], 1).log()[:, :, None, None])
    assert maps.max() <= 1 / (math.e * math.log(2)) + 1e-12
    assert p[maps[:, 0].argmax()].item() == pytest.approx(0.37)


def test_clear_errors():
    with pytest.raises(ValueError, match='at least two classes'):
        normalised_entropy(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match='robust must be None or an exponent'):
        EntropyLoss(robust=0.0)
