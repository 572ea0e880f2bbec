"""Jitter and blur against numbers known without them: identities, greys, means, colorsys' grey axis, deviations."""

import math
from types import SimpleNamespace

import pytest
import torch

from sw_mmseg.adaptation.photometric import Photometric, gaussian_blur, jitter_colours
from sw_mmseg.adaptation.randomness import image_generators

ONE, ZERO = torch.ones(2).double(), torch.zeros(2).double()
MEAN, STD = torch.tensor([120.0, 110.0, 100.0]).view(3, 1, 1), torch.tensor([60.0, 50.0, 40.0]).view(3, 1, 1)
PREPROCESSOR = SimpleNamespace(mean=MEAN, std=STD)


@pytest.fixture
def images():
    return 0.3 + 0.4 * torch.rand(2, 3, 9, 8).double()


def luma(images):
    return 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2]


def test_each_jitter_does_what_it_says(images):
    half = torch.tensor([0.5, 1.0]).double()
    torch.testing.assert_close(jitter_colours(images, ONE, ONE, ONE, ZERO), images)
    torch.testing.assert_close(jitter_colours(images, half, ONE, ONE, ZERO)[0], images[0] / 2)
    contrast = jitter_colours(images, ONE, half, ONE, ZERO)
    torch.testing.assert_close(contrast[0], (images[0] + luma(images)[0].mean()) / 2)
    torch.testing.assert_close(contrast[1], images[1])
    grey = jitter_colours(images, ONE, ONE, ZERO, ZERO)
    torch.testing.assert_close(grey, luma(images)[:, None].expand_as(images), rtol=1e-5, atol=1e-5)


def test_hue_keeps_luma_and_half_a_turn_is_the_opposite_colour(images):
    turned = jitter_colours(images, ONE, ONE, ONE, ONE / 2)
    grey = luma(images)[:, None]
    torch.testing.assert_close(turned, 2 * grey - images, rtol=1e-5, atol=1e-5)
    third = jitter_colours(images, ONE, ONE, ONE, ONE / 3)
    torch.testing.assert_close(luma(third), luma(images), rtol=1e-5, atol=1e-5)
    assert (third - images).abs().max() > 0.05


def test_values_stay_colours(images):
    assert jitter_colours(images, 9 * ONE, ONE, ONE, ZERO).max() == 1
    assert jitter_colours(images, ONE, 40 * ONE, ONE, ZERO).min() == 0


def test_blur_of_a_point_has_the_deviation_asked_for():
    images = torch.zeros(2, 1, 41, 41).double()
    images[:, :, 20, 20] = 1
    images = gaussian_blur(images, torch.tensor([2.0, 0.0]).double(), 6)
    steps = torch.arange(-20, 21).double()
    for axis in (0, 1):
        marginal = images[0, 0].sum(axis)
        assert math.isclose(marginal.sum(), 1, rel_tol=1e-9)
        assert math.isclose((marginal * steps**2).sum(), 4, rel_tol=0.04)  # the kernel ends at three deviations
    assert images[1, 0, 20, 20] == 1 and images[1].sum() == 1


def test_blur_keeps_a_flat_image_flat():
    flat = torch.full((1, 3, 4, 5), 0.7).double()
    torch.testing.assert_close(gaussian_blur(flat, torch.tensor([3.0]).double(), 9), flat)


def test_a_view_follows_from_its_generator_alone(images):
    images = (images * 255 - MEAN) / STD
    view = Photometric(blur_probability=1.0)
    one, same, other = (view(images, image_generators('view', 4, step, 2), PREPROCESSOR) for step in (7, 7, 8))
    assert torch.equal(one, same) and not torch.equal(one, other)
    alone = view(images[1:], image_generators('view', 4, 7, 2)[1:], PREPROCESSOR)  # whatever it is batched with
    torch.testing.assert_close(alone, one[1:], rtol=1e-12, atol=1e-12)
    assert (one - images).abs().max() > 0.1
    pixels = one * STD + MEAN
    assert pixels.min() >= -1e-3 and pixels.max() <= 255 + 1e-3


def test_nothing_to_do_changes_nothing(images):
    view = Photometric(jitter_probability=0.0, blur_probability=0.0)
    same = view(images, image_generators('view', 0, 0, 2), PREPROCESSOR)
    torch.testing.assert_close(same, images, rtol=1e-6, atol=1e-6)
    unnormalised = view(images * 255, image_generators('view', 0, 0, 2), SimpleNamespace())
    torch.testing.assert_close(unnormalised, images * 255, rtol=1e-6, atol=1e-6)


def test_shares_of_images_are_those_asked_for():
    images = torch.rand(400, 3, 4, 4)
    view = Photometric(jitter_probability=0.3, blur_probability=0.0)
    kept = view(images, image_generators('view', 0, 0, 400), PREPROCESSOR)
    share = ((kept - images).abs().amax((1, 2, 3)) > 1e-3).float().mean()
    assert 0.2 < share < 0.4


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match='hue between 0 and 0.5'):
        Photometric(hue=0.7)
    with pytest.raises(TypeError, match='brightnes'):
        Photometric(brightnes=0.1)
