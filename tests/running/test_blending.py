"""Running statistics mixed with an image's own: values by numpy in fp64, buffers, and several mixtures averaged."""

import argparse

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.running.blending import ALPHAS, add_blend, blend_suffix, blended, blended_statistics, weigh
from sw_mmseg.running.errors import UserError
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.tiny_networks import tiny_config

ALPHA = 0.3


def trained(layer):
    """The layer with statistics and weights that are not those of the start, in fp64 and evaluation mode."""
    layer = layer.double()
    for _ in range(3):
        layer(torch.randn(4, 6, 5, 7, dtype=torch.float64) * torch.arange(1, 7).view(6, 1, 1) + 2)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.5, 2, 6))
        layer.bias.copy_(torch.linspace(-1, 1, 6))
    return layer.eval()


def pictures():
    return torch.randn(2, 6, 4, 5, dtype=torch.float64) * torch.tensor([1.0, 4.0]).view(2, 1, 1, 1) - 1


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def test_batch_norm_by_hand():
    layer, images = trained(nn.BatchNorm2d(6)), pictures()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with blended_statistics(layer, ALPHA):
        output = layer(images).detach().numpy()
    for image, normalised in zip(images.numpy(), output):
        for c, pixels in enumerate(image):
            mean = 0.7 * layer.running_mean[c].item() + 0.3 * pixels.mean()
            var = 0.7 * layer.running_var[c].item() + 0.3 * pixels.var(ddof=1)
            expected = (pixels - mean) / np.sqrt(var + layer.eps) * layer.weight[c].item() + layer.bias[c].item()
            np.testing.assert_allclose(normalised[c], expected, rtol=1e-12, atol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    assert 'forward' not in vars(layer)


def test_switchable_whitening_by_hand():
    """The batch part is blended; the image's part of the switch stays that of the image."""
    layer = trained(SwitchWhiten2d(6, statistics=('bw', 'iw'), group_size=3, inverse_sqrt='eigh'))
    with torch.no_grad():
        layer.mean_logits.copy_(torch.tensor([1.0, 0.2]))
        layer.cov_logits.copy_(torch.tensor([-0.4, 0.5]))
    images = pictures()
    with blended_statistics(layer, ALPHA):
        output = layer(images).detach().numpy()
    of_mean, of_cov = list(layer.mean_ratios().values()), list(layer.cov_ratios().values())
    for image, normalised in zip(images.numpy(), output):
        for g in range(2):
            x = image[3 * g : 3 * g + 3].reshape(3, -1)
            mean = 0.7 * layer.running_mean[3 * g : 3 * g + 3].numpy() + 0.3 * x.mean(1)
            cov = 0.7 * layer.running_cov[g].numpy() + 0.3 * np.cov(x)
            mean = of_mean[0] * mean + of_mean[1] * x.mean(1)
            cov = of_cov[0] * cov + of_cov[1] * np.cov(x, bias=True) + layer.eps * np.eye(3)
            weight, bias = (p[3 * g : 3 * g + 3].detach().numpy()[:, None] for p in (layer.weight, layer.bias))
            expected = root(cov) @ (x - mean[:, None]) * weight + bias
            np.testing.assert_allclose(normalised[3 * g : 3 * g + 3].reshape(3, -1), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('layer', [nn.BatchNorm2d(6), SwitchWhiten2d(6, group_size=2)], ids=['bn', 'sw'])
def test_blending_is_one_step_of_the_running_average(layer):
    """0 changes nothing; any other number is what a training step of that momentum would leave in the buffers."""
    layer, image = trained(layer), pictures()[:1]
    plain = layer(image)
    with blended_statistics(layer, 0.0):
        assert torch.equal(layer(image), plain)
    with blended_statistics(layer, ALPHA):
        output = layer(image)
    layer.momentum = ALPHA
    layer.train()(image)
    torch.testing.assert_close(output, layer.eval()(image), rtol=1e-10, atol=1e-10)


def test_a_single_pixel_and_half_precision_stay_finite():
    layer = nn.BatchNorm2d(6).eval()
    with blended_statistics(layer, 0.5):
        assert layer(torch.randn(2, 6, 1, 1)).isfinite().all()
        with torch.autocast('cpu', torch.bfloat16):
            assert layer(torch.randn(1, 6, 3, 3, dtype=torch.bfloat16)).isfinite().all()


def test_probabilities_are_weighed_by_their_entropy():
    sure, unsure = np.array([0.98, 0.01, 0.01]), np.array([0.2, 0.4, 0.4])
    entropy = [-(p * np.log(p)).sum() for p in (sure, unsure)]
    weights = np.exp(-np.array(entropy)) / np.exp(-np.array(entropy)).sum()
    given = torch.tensor(np.stack([sure, unsure])).view(2, 1, 3, 1, 1)
    np.testing.assert_allclose(weigh(given).flatten().numpy(), weights[0] * sure + weights[1] * unsure, rtol=1e-12)
    assert weigh(torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1)).flatten().tolist() == [1.0, 0.0]


@pytest.mark.parametrize('method', ['AdaptSegNet', 'SelfTraining'])
def test_a_segmentor_averages_over_several_and_is_what_it_was_afterwards(method):
    model = MODELS.build(tiny_config(method, norm='sw')).eval()
    images = torch.rand(1, 3, 32, 48)
    metas = [dict(img_shape=(32, 48), ori_shape=(32, 48), pad_shape=(32, 48))]
    plain = model.segmentor.encode_decode(images, metas)
    singles = []
    for alpha in ALPHAS:
        with blended(model, alpha):
            singles.append(model.segmentor.encode_decode(images, metas).softmax(1))
    assert not torch.allclose(singles[0], singles[-1], atol=1e-4)
    with blended(model, 'auto'):
        mixed = model.segmentor.encode_decode(images, metas).softmax(1)
    torch.testing.assert_close(mixed, weigh(torch.stack(singles)))
    assert torch.equal(model.segmentor.encode_decode(images, metas), plain)
    with blended(model, None):
        assert torch.equal(model.segmentor.encode_decode(images, metas), plain)


def test_what_cannot_be_blended_is_refused(capsys):
    for alpha in (0.1, 'auto'):
        with pytest.raises(UserError, match='keeps no running statistics'), blended(nn.Conv2d(3, 3, 1), alpha):
            pass
    with pytest.raises(UserError, match='two or more classes'), blended(nn.BatchNorm2d(3), 'auto'):
        pass
    parser = argparse.ArgumentParser()
    add_blend(parser)
    for text, word in (('1.5', 'between 0 and 1'), ('some', 'neither a number')):
        with pytest.raises(SystemExit):
            parser.parse_args(['--blend', text])
        assert word in capsys.readouterr().err
    texts = [blend_suffix(parser.parse_args(['--blend', text]).blend) for text in ('0.10', 'auto')]
    assert texts == ['_blend0.1', '_blendauto'] and blend_suffix(None) == ''
