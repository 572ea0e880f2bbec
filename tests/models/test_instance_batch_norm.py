"""IBN against its two halves written out."""

import pytest
import torch
from mmcv.cnn import build_norm_layer

from sw_mmseg.adaptation import running_layers
from sw_mmseg.models import InstanceBatchNorm2d


def test_each_half_has_its_own_statistics():
    layer = InstanceBatchNorm2d(5).double()
    x = 3 * torch.randn(4, 5, 6, 7, dtype=torch.float64) + torch.randn(4, 5, 1, 1, dtype=torch.float64)

    def standardised(part, dims):
        mean = part.mean(dims, keepdim=True)
        return (part - mean) / ((part - mean).square().mean(dims, keepdim=True) + 1e-5).sqrt()

    expected = torch.cat([standardised(x[:, :2], (2, 3)), standardised(x[:, 2:], (0, 2, 3))], 1)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.batch.running_mean, 0.1 * x[:, 2:].mean((0, 2, 3)))
    layer.eval()
    torch.testing.assert_close(layer(x)[:, :2], expected[:, :2])  # the instance half is the same in evaluation


def test_configs_build_it_and_its_batch_half_follows_statistics_policies():
    name, layer = build_norm_layer({'type': 'IBN'}, 8, postfix=1)
    assert name == 'bn1' and isinstance(layer, InstanceBatchNorm2d)
    assert list(running_layers(layer)) == ['batch']


def test_one_channel_cannot_be_halved():
    with pytest.raises(ValueError, match='at least 2, got 1'):
        InstanceBatchNorm2d(1)
