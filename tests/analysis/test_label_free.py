"""Label-free scores against values worked out by hand."""

import math

import pytest
import torch

from sw_mmseg.analysis.label_free import LabelFree, entropy, information, neighbourhood_density


def test_entropy_of_known_distributions():
    p = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    torch.testing.assert_close(entropy(p), torch.tensor([0.0, 1.0, 0.5]))


def test_information_is_high_only_for_sure_and_diverse_predictions():
    sure = torch.eye(4)
    assert information(sure) == pytest.approx(1.0)
    assert information(sure[:1].repeat(4, 1)) == pytest.approx(0.0, abs=1e-6)  # sure of one class
    assert information(torch.full((4, 4), 0.25)) == pytest.approx(0.0, abs=1e-6)  # diverse, unsure


def test_neighbourhoods_of_pixels_that_are_alike_or_in_two_clusters():
    alike = torch.tensor([[0.7, 0.3]]).repeat(6, 1)
    assert neighbourhood_density(alike) == pytest.approx(math.log(5), rel=1e-5)
    # two clusters of three, orthogonal: each pixel has two neighbours at similarity 1 and three at 0
    clusters = torch.eye(2).repeat_interleave(3, 0)
    one, far = math.exp(20), 1.0
    total = 2 * one + 3 * far
    expected = -(2 * one / total * math.log(one / total) + 3 * far / total * math.log(far / total))
    assert neighbourhood_density(clusters) == pytest.approx(expected, rel=1e-5)


def test_collected_pixels_are_the_same_for_every_network_and_their_scores_are_those_of_the_functions():
    logits = torch.randn(3, 5, 8, 9)
    first, second = LabelFree(pixels=7), LabelFree(pixels=7)
    for image in logits:
        first.add(image)
        second.add(image + 3.0)  # softmax does not see the shift
    assert first.scores() == pytest.approx(second.scores(), rel=1e-4)
    pixels = torch.cat(first._samples)
    assert pixels.shape == (21, 5)
    assert first.scores()['entropy'] == pytest.approx(float(entropy(pixels).mean()))
    with pytest.raises(ValueError, match='no image'):
        LabelFree().scores()
