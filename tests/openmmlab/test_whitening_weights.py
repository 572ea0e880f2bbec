"""A BatchNorm network that starts from a whitening one by mmengine takes means and variances of one file."""

import pytest
import torch
from mmengine.runner import checkpoint, load_checkpoint
from mmseg.registry import MODELS
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.adaptation.statistics import DomainStatistics
from sw_mmseg.models.instance_batch_norm import InstanceBatchNorm2d
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.tiny_networks import tiny_config


def trained(channels, group_size=16):
    layer = SwitchWhiten2d(channels, group_size=group_size)
    nn.init.normal_(layer.running_mean)
    layer.running_cov.copy_(torch.rand_like(layer.running_cov) + 3 * torch.eye(layer.group_size))
    return layer


def variances(cov):
    return torch.cat([torch.stack([group[i, i] for i in range(len(group))]) for group in cov])


@pytest.mark.parametrize('norm', [nn.BatchNorm2d, nn.SyncBatchNorm])
def test_a_batchnorm_takes_means_and_variances(norm, tmp_path, log):
    whitening = nn.Sequential(nn.Conv2d(3, 32, 1), trained(32), nn.Sequential(nn.BatchNorm2d(32)))
    whitening[2][0].running_var.fill_(5.0)
    torch.save({'state_dict': whitening.state_dict()}, tmp_path / 'sw.pth')
    plain = nn.Sequential(nn.Conv2d(3, 32, 1), norm(32), nn.Sequential(norm(32)))
    load_checkpoint(plain, str(tmp_path / 'sw.pth'), map_location='cpu')
    assert torch.equal(plain[1].running_mean, whitening[1].running_mean)
    assert torch.equal(plain[1].running_var, variances(whitening[1].running_cov))
    assert plain[2][0].running_var.eq(5).all()
    assert log.text.count('whitens in the file and is a BatchNorm here') == 1
    assert not plain[1]._load_state_dict_pre_hooks  # nothing is left behind
    same = nn.Sequential(nn.Conv2d(3, 32, 1), SwitchWhiten2d(32), nn.Sequential(nn.BatchNorm2d(32)))
    load_checkpoint(same, str(tmp_path / 'sw.pth'), map_location='cpu')
    assert torch.equal(same[1].running_cov, whitening[1].running_cov)


def test_an_adaptation_starts_from_a_whitening_source():
    """Names gain `segmentor.` on the way, and the source's own set starts there, too."""
    model = MODELS.build(tiny_config('AdaptSegNet', statistics_from='separate'))
    norm = model.segmentor.backbone.norm
    layer = trained(norm.num_features, norm.num_features)
    checkpoint.load_state_dict(model, {f'backbone.norm.{key}': value for key, value in layer.state_dict().items()})
    for values in (norm.running_var, model.statistics.get_buffer('source/backbone/norm/running_var')):
        assert torch.equal(values, variances(layer.running_cov))
    assert torch.equal(norm.running_mean, layer.running_mean)


def test_a_whitening_adaptation_starts_from_a_batchnorm_source():
    """The other way round the same names are gained."""
    model = MODELS.build(tiny_config('AdaptSegNet', statistics_from='separate'))
    channels = model.segmentor.backbone.norm.num_features
    model.segmentor.backbone.norm = SwitchWhiten2d(channels, group_size=channels)
    model.statistics = DomainStatistics(model.segmentor, 'separate')
    source = nn.BatchNorm2d(channels)
    nn.init.uniform_(source.running_var), nn.init.normal_(source.running_mean)
    checkpoint.load_state_dict(model, {f'backbone.norm.{key}': value for key, value in source.state_dict().items()})
    norm = model.segmentor.backbone.norm
    for cov in (norm.running_cov, model.statistics.get_buffer('source/backbone/norm/running_cov')):
        assert torch.equal(cov, torch.diag(source.running_var)[None])
    assert torch.equal(norm.running_mean, source.running_mean)


def adaptation(norm=None):
    """With a set of statistics for each domain, and another norm in the place of its BatchNorm."""
    model = MODELS.build(tiny_config('AdaptSegNet', statistics_from='separate'))
    if norm is not None:
        model.segmentor.backbone.norm = norm(model.segmentor.backbone.norm.num_features)
        model.statistics = DomainStatistics(model.segmentor, 'separate')
    return model


def one_group(channels):
    return SwitchWhiten2d(channels, group_size=channels)


def test_the_sources_own_set_goes_on_under_another_norm():
    plain, whitening = adaptation(), adaptation(one_group)
    for model in (plain, whitening):
        for name, buffer in model.statistics.named_buffers():
            if 'running' in name:
                buffer.copy_(torch.rand_like(buffer))
    states = plain.state_dict(), whitening.state_dict()
    variance, covariance = (f'statistics.source/backbone/norm/running_{kind}' for kind in ('var', 'cov'))
    after_whitening, after_plain = adaptation(), adaptation(one_group)
    checkpoint.load_state_dict(after_whitening, dict(states[1]))
    checkpoint.load_state_dict(after_plain, dict(states[0]))
    assert torch.equal(after_whitening.state_dict()[variance], variances(states[1][covariance]))
    assert torch.equal(after_plain.state_dict()[covariance], torch.diag(states[0][variance])[None])
    again = adaptation(one_group)
    checkpoint.load_state_dict(again, dict(states[1]))
    assert torch.equal(again.state_dict()[covariance], states[1][covariance])


def test_an_adaptation_with_a_norm_of_halves_starts_from_a_batchnorm_source():
    """IBN has no entries of its own, and its halves take BatchNorm's."""
    model = adaptation(InstanceBatchNorm2d)
    channels = model.segmentor.backbone.norm.num_features
    source = nn.BatchNorm2d(channels)
    nn.init.uniform_(source.running_var), nn.init.normal_(source.weight)
    checkpoint.load_state_dict(model, {f'backbone.norm.{key}': value for key, value in source.state_dict().items()})
    norm = model.segmentor.backbone.norm
    assert torch.equal(torch.cat([norm.instance.weight, norm.batch.weight]), source.weight)
    assert torch.equal(norm.batch.running_var, source.running_var[-len(norm.batch.running_var) :])


def test_entries_that_a_model_has_not_keep_their_names():
    unexpected = adaptation().load_state_dict({'iteration': torch.tensor(1)}, strict=False).unexpected_keys
    assert unexpected == ['iteration']
