"""A BatchNorm network that starts from a whitening one by mmengine takes means and variances of one file."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner import checkpoint, load_checkpoint
from mmseg.registry import MODELS
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.adaptation.statistics import DomainStatistics
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.tiny_networks import tiny_config


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.WARNING)
    yield caplog
    logger.removeHandler(caplog.handler)


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
