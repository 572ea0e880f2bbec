"""IBN against its two halves written out."""

import pytest
import torch
from mmcv.cnn import build_norm_layer
from torch import nn

from sw_mmseg.adaptation import running_layers
from sw_mmseg.models import InstanceBatchNorm2d, load_pretrained, switch_sites
from sw_mmseg.whitening import SwitchWhiten2d, replace_norm


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


def trained():
    norm = nn.BatchNorm2d(5, eps=1e-3).double()
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(values, 0.5, 2.0)
    norm.num_batches_tracked.fill_(7)
    return norm.eval()


def assert_halves(layer, norm, eps):
    """The batch half computes what the norm does, the instance half has its scale and bias."""
    x = torch.randn(3, 5, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[:, 2:], norm(x)[:, 2:])
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    expected = (x - mean) / (var + eps).sqrt() * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x)[:, :2], expected[:, :2])
    assert layer.batch.num_batches_tracked == 7


def test_the_state_of_a_batchnorm_is_split():
    norm, layer = trained(), InstanceBatchNorm2d(5, eps=1e-3).double().eval()
    layer.load_state_dict(norm.state_dict())
    assert_halves(layer, norm, 1e-3)
    copy = InstanceBatchNorm2d(5, eps=1e-3).double().eval()
    copy.load_state_dict(layer.state_dict())  # its own
    assert_halves(copy, norm, 1e-3)
    with pytest.raises(RuntimeError, match='(?s)instance.weight.*Unexpected.*"weight"'):
        layer.load_state_dict(nn.BatchNorm2d(6).state_dict())


def test_the_state_of_a_whitening_layer_is_split_with_its_variances():
    whitening, layer = SwitchWhiten2d(6, group_size=2), InstanceBatchNorm2d(6)
    whitening.running_cov.add_(torch.rand(3, 2, 2))
    layer.load_state_dict(whitening.state_dict(), strict=False)
    assert torch.equal(layer.batch.running_var, whitening.running_cov[[1, 2, 2], [1, 0, 1], [1, 0, 1]])


@pytest.mark.parametrize('frozen', [True, False])
def test_it_takes_a_batchnorms_place(frozen):
    model = nn.Sequential(nn.Conv2d(3, 5, 1), trained().requires_grad_(not frozen))
    norm, layer = model[1], replace_norm(model, '1', InstanceBatchNorm2d(5, eps=1e-3))
    assert_halves(layer, norm, 1e-3)
    assert len(list(layer.parameters())) == 4
    assert all(parameter.requires_grad is not frozen for parameter in layer.parameters())


def test_a_resnet_with_it_starts_from_imagenet():
    state = switch_sites('ResNet', depth=18).state_dict()
    ours = switch_sites('ResNet', depth=18, norm_cfg={'type': 'BN', 'eps': 1e-3}, site_norm_cfg={'type': 'IBN'})
    for value in state.values():
        if value.dim() == 1:
            nn.init.uniform_(value, 0.5, 2.0)
    assert load_pretrained(ours, state, minimum=1.0) == 1.0
    assert torch.equal(ours.bn1.instance.weight, state['bn1.weight'][:32])
    assert torch.equal(ours.bn1.batch.running_var, state['bn1.running_var'][32:])
    assert ours.bn1.instance.eps == ours.bn1.batch.eps == 1e-3
