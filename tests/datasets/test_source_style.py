"""Amplitudes and phases after the exchange, colours' moments after the transfer; both inside a pair, sizes unlike."""

import cv2
import numpy as np
import pytest
import torch

from sw_mmseg.datasets import ColourStatistics, DomainPair, FourierAmplitude
from sw_mmseg.datasets.colour_statistics import match_colours
from sw_mmseg.datasets.fourier import exchange_amplitude


def picture(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    return (60 + 130 * torch.rand(3, height, width, generator=generator)).double()


def low(spectrum, beta, shape):
    """Which coefficients of the full spectrum lie at low frequencies, by their signed numbers of cycles."""
    rows = np.abs(np.fft.fftfreq(spectrum[0]) * spectrum[0])
    columns = np.abs(np.fft.fftfreq(spectrum[1]) * spectrum[1])
    return torch.from_numpy((rows[:, None] <= int(beta * shape[0])) & (columns[None] <= int(beta * shape[1])))


@pytest.mark.parametrize('size', [(24, 40), (17, 33)])
def test_amplitudes_are_the_targets_and_phases_the_sources(size):
    source, target, beta = picture(24, 40, 1), picture(*size, 2), 0.13
    styled = exchange_amplitude(source, target, beta)
    assert styled.shape == source.shape
    before, after, other = (torch.fft.fft2(x) for x in (source, styled, target))
    source_low, target_low = low((24, 40), beta, (24, 40)), low(size, beta, (24, 40))
    assert source_low.sum() == target_low.sum() == (2 * 3 + 1) * (2 * 5 + 1)
    scale = 24 * 40 / (size[0] * size[1])
    torch.testing.assert_close(after[:, source_low].abs(), other[:, target_low].abs() * scale, rtol=1e-9, atol=1e-7)
    torch.testing.assert_close(
        torch.polar(torch.ones_like(after.abs()), after.angle() - before.angle()),
        torch.ones_like(after),
        rtol=1e-7,
        atol=1e-7,
    )
    torch.testing.assert_close(after[:, ~source_low], before[:, ~source_low], rtol=1e-9, atol=1e-7)


def test_beta_zero_exchanges_the_mean_colour():
    source, target = picture(9, 12, 1), picture(8, 8, 2)
    styled = exchange_amplitude(source, target, 0.0)
    expected = source - source.mean((1, 2), keepdim=True) + target.mean((1, 2), keepdim=True)
    torch.testing.assert_close(styled, expected, rtol=1e-9, atol=1e-9)


def test_a_picture_keeps_its_own_style_and_small_targets_do_no_harm():
    source = picture(16, 16, 3)
    torch.testing.assert_close(exchange_amplitude(source, source, 0.3), source, rtol=1e-9, atol=1e-9)
    assert torch.isfinite(exchange_amplitude(source, picture(1, 2, 4), 0.4)).all()
    black = exchange_amplitude(torch.zeros(3, 4, 4).double(), source, 0.3)
    assert torch.isfinite(black).all()


@pytest.mark.parametrize('style', [FourierAmplitude(0.3), ColourStatistics(), ColourStatistics('bgr')])
def test_pictures_stay_pictures(style):
    source, target = picture(12, 20, 1).to(torch.uint8), (picture(7, 9, 2) * 1.3).to(torch.uint8)
    styled = style(source, target)
    assert styled.dtype == torch.uint8 and styled.shape == source.shape and not torch.equal(styled, source)
    assert style(source.float(), target.float()).dtype == torch.float32
    assert torch.equal(style(source, source), source) or (style(source, source).int() - source.int()).abs().max() <= 1


def moments(colours):
    return colours.mean(0), np.cov(colours.T, bias=True)


def test_colours_have_the_targets_mean_and_covariance():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + 5
    target = rng.normal(size=(90, 3)) @ rng.normal(size=(3, 3)) - 2
    for moment, expected in zip(moments(match_colours(source, target)), moments(target)):
        np.testing.assert_allclose(moment, expected, rtol=1e-9, atol=1e-9)


def test_no_linear_map_changes_colours_less():
    """Against the Cholesky map, which gives the same covariance; along an axis it is the ratio of deviations."""
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)), rng.normal(size=(300, 3)) * [1, 2, 3]
    roots = [np.linalg.cholesky(moments(x)[1]) for x in (source, target)]
    cholesky = (source - source.mean(0)) @ np.linalg.inv(roots[0]).T @ roots[1].T + target.mean(0)
    np.testing.assert_allclose(moments(cholesky)[1], moments(target)[1])
    ours = match_colours(source, target)
    assert np.square(ours - source).mean() < np.square(cholesky - source).mean()
    line = rng.normal(size=(50, 1))
    scaled = match_colours(np.hstack([line, 0 * line]), np.hstack([3 * line, line]))
    np.testing.assert_allclose(scaled[:, 0] - scaled[:, 0].mean(), 3 * (line - line.mean())[:, 0], rtol=1e-6)
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize('space', ['lab', 'bgr'])
def test_a_pictures_colours_match_in_their_space(space):
    """Pictures far from black and white, so that nothing is clipped."""
    source, target = (60 + picture(30, 40, 1) / 4).to(torch.uint8), (90 + picture(20, 25, 2) / 4).to(torch.uint8)
    exact = ColourStatistics(space)(source.float(), target.float())

    def colours(x):
        x = x.permute(1, 2, 0).numpy().astype(np.float32)
        return (cv2.cvtColor(x / 255, cv2.COLOR_BGR2LAB) if space == 'lab' else x).reshape(-1, 3)

    for moment, expected in zip(moments(colours(exact)), moments(colours(target))):
        np.testing.assert_allclose(moment, expected, rtol=5e-3, atol=0.02)  # OpenCV's Lab is a table
    assert (ColourStatistics(space)(source, target) - exact).abs().max() <= 0.501  # rounded


def test_a_pair_styles_the_source_alone(gta5, cityscapes):
    def pipeline(*first):
        return [
            dict(type='LoadImage'),
            *first,
            dict(type='Resize', scale=(24, 16), keep_ratio=False),
            dict(type='PackSegInputs'),
        ]

    source = dict(type='GTA5Dataset', data_root=str(gta5), pipeline=pipeline(dict(type='LoadLabels')))
    target = dict(
        type='UnlabelledImages',
        data_root=str(cityscapes),
        img_dir='leftImg8bit/train',
        pipeline=[dict(type='LoadImage'), dict(type='PackSegInputs')],
    )
    plain, styled = (
        DomainPair(source, target, seed=2, source_style=style)
        for style in (None, dict(type='FourierAmplitude', beta=0.0))
    )
    for position in range(3):
        one, other = plain[position], styled[position]
        assert torch.equal(one['target']['inputs'], other['target']['inputs'])
        labels = [pair['source']['data_samples'].gt_sem_seg.data for pair in (one, other)]
        assert torch.equal(*labels)
        assert other['source']['inputs'].dtype == torch.uint8
        means = [x.float().mean((1, 2)) for x in (other['source']['inputs'], one['target']['inputs'])]
        torch.testing.assert_close(*means, rtol=0, atol=2.0)  # clipped at black, as these pictures are nearly
        assert not torch.equal(one['source']['inputs'], other['source']['inputs'])


def test_clear_errors():
    with pytest.raises(ValueError, match='beta=0.5'):
        FourierAmplitude(0.5)
    with pytest.raises(ValueError, match='valid are lab, bgr'):
        ColourStatistics('hsv')
