"""OpenMMLab's tools for networks with BatchNorm, on networks with SW: right values, or a refusal that says the way."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule, fuse_conv_bn
from mmengine.analysis import get_model_complexity_info
from mmengine.model import revert_sync_batchnorm
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from mmpretrain.engine.hooks.precise_bn_hook import update_bn_stats
from torch import nn
from torch.utils.data import DataLoader

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

CLOSE = dict(rtol=1e-4, atol=1e-5)


def trained(model):
    for _ in range(3):
        model(torch.randn(4, 3, 10, 10) + 1)
    return model.eval()


def network(bias=True, **options):
    """SW and BatchNorm, each behind a convolution."""
    return trained(
        nn.Sequential(
            nn.Conv2d(3, 16, 3, bias=bias),
            SwitchWhiten2d(16, **options),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, bias=bias),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
    )


@pytest.mark.parametrize('bias', [True, False], ids=['bias', 'no bias'])
@pytest.mark.parametrize('statistics', [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW')], ids='+'.join)
def test_efficient_evaluation_of_a_network(statistics, bias):
    """It joins the BatchNorm and leaves SW; in training mode the network computes as before."""
    model = nn.Sequential(network(bias, statistics=statistics))
    expected = copy.deepcopy(model)
    turn_on_efficient_conv_bn_eval(model, '0')
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(model(x), expected(x), **CLOSE)
    torch.testing.assert_close(model.train()(x), expected.train()(x), **CLOSE)


@pytest.mark.parametrize('norm', ['SW', 'SWb', 'IW', 'BN'])
def test_efficient_evaluation_of_a_conv_module(norm):
    block = trained(ConvModule(3, 16, 3, norm_cfg=dict(type=norm), efficient_conv_bn_eval=True))
    plain = copy.deepcopy(block)
    plain.turn_on_efficient_conv_bn_eval(False)
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(block(x), plain(x), **CLOSE)
    other = ConvModule.create_from_conv_bn(block.conv, block.norm).eval()
    torch.testing.assert_close(other(x).relu(), plain(x), **CLOSE)


def test_fusing_is_refused_and_the_network_computes_what_it_did():
    model = network()
    x = torch.randn(2, 3, 9, 8)
    expected = model(x)
    with pytest.raises(AttributeError, match='fold it into a convolution with sw_mmseg.whitening.fold'):
        fuse_conv_bn(model)
    torch.testing.assert_close(model(x), expected)


def test_reverting_sync_batchnorm_leaves_it():
    model = nn.Sequential(SwitchWhiten2d(16), nn.SyncBatchNorm(16)).eval()
    layer = model[0]
    model = revert_sync_batchnorm(model)
    assert model[0] is layer and not isinstance(model[1], nn.SyncBatchNorm)


class WithPreprocessor(nn.Sequential):
    """What `update_bn_stats` expects of a model."""

    def data_preprocessor(self, data, training):
        return {'input': data}


def test_precise_statistics_are_refused_before_anything_moves():
    model = WithPreprocessor(nn.Conv2d(3, 16, 1), SwitchWhiten2d(16))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(AttributeError, match='re-estimate its statistics with torch.optim.swa_utils.update_bn'):
        update_bn_stats(model, DataLoader(torch.randn(8, 3, 5, 5), 4), num_samples=8, logger='silent')
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model[1].momentum == 0.1


@pytest.mark.parametrize('statistics', [PRESETS[name] for name in ('SWa', 'SWb', 'BW', 'IW')], ids='+'.join)
@pytest.mark.parametrize('iterations', [1, 2, 5])
def test_the_counter_counts_all_of_sw(statistics, iterations):
    """By hand, of one image: C·L·D to apply, C·L·D for the covariance of each image; for each group and matrix Newton's
    products, and A μ̂."""
    c, d, height, width = 32, 16, 6, 7
    model = nn.Sequential(SwitchWhiten2d(c, statistics=statistics, iterations=iterations)).eval()
    of_image = not {'iw', 'in', 'ln'}.isdisjoint(statistics)
    passes = c * height * width * d * (1 + of_image)
    products = 3 * (iterations - 1) * d**3
    matrices = c // d * products + c * d
    assert get_model_complexity_info(model, (c, height, width))['flops'] == passes + matrices
