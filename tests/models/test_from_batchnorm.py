"""A layer that starts as a trained BatchNorm with an activation behind it, as in networks of timm."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.models import start_as_batchnorm
from sw_mmseg.whitening import convert

norms = pytest.importorskip('timm.layers')


@pytest.mark.parametrize('statistics', [('bw', 'iw'), ('bn', 'in')], ids='+'.join)
@pytest.mark.parametrize('activation', [nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish])
def test_an_activation_behind_the_norm_is_no_part_of_it(activation, statistics):
    """Channels with deviations of 0.02 to 2, of which the activation would take another share each."""
    norm = norms.BatchNormAct2d(16, act_layer=activation, momentum=None)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    deviations = torch.logspace(-1.7, 0.3, 16).view(1, 16, 1, 1)
    norm(deviations * torch.randn(8, 16, 9, 9))
    model = nn.Sequential(norm.eval())
    started = copy.deepcopy(model)
    convert(started, statistics=statistics, eps=1e-5)
    start_as_batchnorm(started[0])
    x = deviations * torch.randn(2, 16, 9, 9)
    torch.testing.assert_close(started(x), model(x), rtol=0.01, atol=0.01)
