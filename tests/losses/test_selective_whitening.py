"""Covariances against torch's corrcoef, k-means against all splits there are, the loss against hand-made numbers."""

import itertools

import pytest
import torch

from sw_mmseg.losses import (
    instance_covariances,
    selective_whitening,
    sensitive_entries,
    variance_between_views,
)


def test_covariances_are_the_correlations_of_each_image():
    features = torch.randn(3, 4, 5, 6).double() * 7 + 20
    features[:, 1] += 3 * features[:, 0]
    covariances = instance_covariances(features)
    assert covariances.shape == (3, 6)
    for image, row in zip(features, covariances):
        correlation = torch.corrcoef(image.flatten(1))
        expected = [correlation[i, j] for i, j in itertools.combinations(range(4), 2)]
        torch.testing.assert_close(row, torch.stack(expected), rtol=1e-6, atol=1e-7)


def test_covariances_survive_an_in_place_relu_and_half_precision():
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    out = features * 2
    covariances = instance_covariances(out)
    out.relu_()
    (covariances.square().sum() + out.sum()).backward()
    assert torch.isfinite(features.grad).all()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = instance_covariances(features.detach())
    torch.testing.assert_close(half, covariances.detach(), rtol=1e-4, atol=1e-5)  # not bfloat16's 1e-2
    assert instance_covariances(torch.randn(1, 3, 1, 1)).eq(0).all()  # a map of one cell varies in nothing
    assert instance_covariances(features.detach().bfloat16()).dtype == torch.float32


def test_gradient():
    features = torch.randn(2, 3, 2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(instance_covariances, features)


def test_variance_is_that_of_two_values_summed_over_images():
    one, other = torch.randn(5, 6).double(), torch.randn(5, 6).double()
    expected = torch.stack([one, other]).var(0, unbiased=False).sum(0)
    torch.testing.assert_close(variance_between_views(one, other), expected)


@pytest.mark.parametrize('clusters, insensitive', [(3, 1), (3, 2), (2, 1)])
@pytest.mark.parametrize('count', [3, 8, 23, 32])
def test_clusters_are_the_best_of_all_splits(clusters, insensitive, count):
    """Found here by trying every split; the values are as skewed as variances."""
    values = torch.randn(count).double().exp() ** 2
    ordered = values.sort().values

    def cost(cuts):
        parts = torch.tensor_split(ordered, list(cuts))
        return sum(((part - part.mean()) ** 2).sum() for part in parts)

    best = min(itertools.combinations(range(1, len(values)), clusters - 1), key=cost)
    expected = values >= ordered[best[insensitive - 1]]
    assert torch.equal(sensitive_entries(values, clusters, insensitive), expected)


def test_a_skewed_spread_has_few_sensitive_entries():
    """Nine of ten near zero, as of real variances; the two upper clusters share the rest."""
    values = torch.cat([0.01 * torch.rand(900), 0.5 + 0.01 * torch.rand(60), 1 + 0.01 * torch.rand(40)])
    assert torch.equal(sensitive_entries(values), values > 0.1)


def test_one_outlier_does_not_hide_the_rest():
    values = torch.cat([0.01 * torch.rand(500), 0.2 + 0.01 * torch.rand(300), torch.tensor([2.0])])
    assert torch.equal(sensitive_entries(values), values > 0.1)


def test_entries_that_all_vary_alike_are_none_sensitive():
    assert not sensitive_entries(torch.full((7,), 0.3)).any()
    assert sensitive_entries(torch.zeros(1)).tolist() == [False]


def test_loss_is_the_mean_absolute_chosen_covariance():
    covariances = torch.tensor([[0.5, -0.2, 0.9], [-0.1, 0.4, 0.9]], requires_grad=True)
    loss = selective_whitening(covariances, torch.tensor([True, True, False]))
    assert loss.item() == pytest.approx((0.5 + 0.2 + 0.1 + 0.4) / 4)
    nothing = selective_whitening(covariances, torch.zeros(3, dtype=torch.bool))
    nothing.backward()
    assert nothing.item() == 0 and covariances.grad.eq(0).all()


def test_clear_errors():
    with pytest.raises(ValueError, match='insensitive must lie between 1 and'):
        sensitive_entries(torch.rand(9), clusters=3, insensitive=3)
