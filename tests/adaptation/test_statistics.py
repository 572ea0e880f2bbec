"""Each policy moves exactly the buffers it should, to the values computed by hand."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.adaptation import DomainStatistics, estimate_statistics, paused_statistics, running_layers
from sw_mmseg.whitening import SwitchWhiten2d

TRACKED = 'num_batches_tracked'


def batch_moments(model, images):
    """Mean and unbiased variance of what the norm sees."""
    values = model.segmentor.backbone.conv1((images.double() - 120) / 60).transpose(0, 1).flatten(1)
    return values.mean(1), values.var(1)


def moved(start, *moments):
    """The running averages after these batches, at momentum 0.1."""
    for moment in moments:
        start = 0.9 * start + 0.1 * moment
    return start


@pytest.mark.parametrize('method', ['AdaptSegNet', 'AdvEnt', 'EntropyMinimization'])
@pytest.mark.parametrize('policy', ['source', 'target', 'both', 'separate', 'frozen'])
def test_policies_move_what_they_say(policy, method, make_model, make_batch, make_wrappers):
    model, batch = make_model(method, statistics_from=policy), make_batch()
    moments = {domain: batch_moments(model, torch.stack(batch[domain]['inputs'])) for domain in batch}
    model.train_step(batch, make_wrappers(model))

    contributions = {
        'source': ['source'],
        'target': ['target'],
        'both': ['source', 'target'],
        'separate': ['target'],
        'frozen': [],
    }[policy]
    norm = model.segmentor.backbone.norm
    zero, one = torch.zeros(4).double(), torch.ones(4).double()
    expected_mean = moved(zero, *(moments[domain][0] for domain in contributions))
    expected_var = moved(one, *(moments[domain][1] for domain in contributions))
    torch.testing.assert_close(norm.running_mean, expected_mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(norm.running_var, expected_var, rtol=1e-10, atol=1e-12)
    assert norm.num_batches_tracked == len(contributions)
    assert norm.training and norm.track_running_stats

    buffers = dict(model.statistics.named_buffers())
    if policy == 'separate':
        torch.testing.assert_close(buffers['source/backbone/norm/running_mean'], moved(zero, moments['source'][0]))
        torch.testing.assert_close(buffers['source/backbone/norm/running_var'], moved(one, moments['source'][1]))
        assert buffers['source/backbone/norm/num_batches_tracked'] == 1
        assert 'statistics.source/backbone/norm/running_var' in model.state_dict()
    else:
        assert buffers == {}


def test_policy_changes_buffers_and_nothing_else(make_model, make_batch, make_wrappers):
    """But for 'frozen', which normalises otherwise, the step is the same: batch statistics are used throughout."""
    weights = {}
    for policy in ('source', 'target', 'both', 'separate', 'frozen'):
        model = make_model(statistics_from=policy)
        model.train_step(make_batch(), make_wrappers(model, lr=0.1))
        weights[policy] = torch.cat([parameter.flatten() for parameter in model.parameters()])
    for policy in ('source', 'target', 'separate'):
        assert torch.equal(weights[policy], weights['both'])
    assert not torch.allclose(weights['frozen'], weights['both'])


def test_whitening_layers_follow_the_policy(make_model, make_batch, make_wrappers):
    model, batch = make_model(norm='sw', statistics_from='target'), make_batch()
    reference = copy.deepcopy(model.segmentor.backbone.norm)
    reference(model.segmentor.backbone.conv1((torch.stack(batch['target']['inputs']).double() - 120) / 60))
    model.train_step(batch, make_wrappers(model))
    norm = model.segmentor.backbone.norm
    torch.testing.assert_close(norm.running_cov, reference.running_cov, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(norm.running_mean, reference.running_mean, rtol=1e-10, atol=1e-12)
    assert norm.num_batches_tracked == 1


def test_zero_adversarial_weight_still_moves_statistics(make_model, make_batch, make_wrappers):
    """Why lambda_adv = 0 is not source only."""
    model = make_model(levels=1, names=[{'head': 'decode_head', 'lambda_adv': 0.0}])
    model.train_step(make_batch(), make_wrappers(model))
    assert model.segmentor.backbone.norm.num_batches_tracked == 1


def test_evaluation_with_the_sources_set(make_model, make_batch, make_wrappers):
    model = make_model(statistics_from='separate')
    for seed in range(3):
        model.train_step(make_batch(seed=seed), make_wrappers(model, lr=0.01))
    model.eval()
    images = torch.rand(1, 3, 32, 32).double()
    with torch.no_grad():
        on_target = model(images)
        model.evaluate_with = 'source'
        on_source = model(images)
        model.evaluate_with = 'target'
        assert torch.equal(model(images), on_target)
        for name in ('running_mean', 'running_var'):
            model.segmentor.backbone.norm.get_buffer(name).copy_(
                model.statistics.get_buffer(f'source/backbone/norm/{name}')
            )
        assert torch.equal(model(images), on_source) and not torch.equal(on_source, on_target)


def test_separate_starts_from_loaded_statistics(make_model):
    """`init_weights` may load pretrained statistics: the source's set starts there too."""
    model = make_model(statistics_from='separate')
    model.segmentor.backbone.norm.running_mean.fill_(7.0)
    model.init_weights()
    assert (model.statistics.get_buffer('source/backbone/norm/running_mean') == 7).all()


def test_pausing_survives_an_error_and_leaves_eval_layers_alone():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False), nn.SyncBatchNorm(2))
    model[2].eval()
    assert list(running_layers(model)) == ['0', '2']
    with pytest.raises(RuntimeError), paused_statistics(model):
        assert not model[0].track_running_stats
        model(torch.randn(2, 2, 3, 3))
        raise RuntimeError
    assert model[0].track_running_stats and not model[1].track_running_stats and model[2].track_running_stats
    assert model[0].num_batches_tracked == 0 and not model[2].training


def test_tracking_instance_norms_are_refused():
    with pytest.raises(TypeError, match='1: an instance norm'):
        DomainStatistics(nn.Sequential(nn.ReLU(), nn.InstanceNorm2d(2, track_running_stats=True)))


def test_estimated_statistics_are_those_of_the_pooled_images():
    norm = nn.BatchNorm2d(3).double().eval()
    norm.momentum, norm.weight.requires_grad = 0.3, False
    images = torch.randn(7, 3, 5, 4).double() * torch.rand(7, 1, 1, 1) * 3 + torch.randn(7, 3, 1, 1)
    assert estimate_statistics(nn.Sequential(norm), [images[:1], images[1:3], images[3:7]]) == 1
    pooled = images.transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, pooled.mean(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_var, pooled.var(1), rtol=1e-12, atol=1e-12)
    assert norm.num_batches_tracked == 3 and norm.momentum == 0.3 and not norm.training


def test_estimated_covariance_is_that_of_the_pooled_images():
    norm = SwitchWhiten2d(4, group_size=2).double()
    images = torch.randn(5, 4, 6, 3).double() + 3 * torch.randn(5, 4, 1, 1)
    images[:, 1] += images[:, 0]
    estimate_statistics(nn.Sequential(norm), [images[:2], images[2:]])
    pooled = images.transpose(0, 1).flatten(1)
    for group, rows in enumerate((pooled[:2], pooled[2:])):
        torch.testing.assert_close(norm.running_cov[group], rows.cov(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_mean, pooled.mean(1), rtol=1e-12, atol=1e-12)


def test_estimation_of_an_adaptation_model_moves_statistics_only(make_model, make_batch):
    model, batch = make_model(), make_batch()
    before = copy.deepcopy(model.state_dict())
    assert estimate_statistics(model, [batch]) == 1  # takes the target's side
    mean, var = batch_moments(model, torch.stack(batch['target']['inputs']))
    torch.testing.assert_close(model.segmentor.backbone.norm.running_mean, mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(model.segmentor.backbone.norm.running_var, var, rtol=1e-10, atol=1e-12)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {
        f'segmentor.backbone.norm.{name}' for name in ('running_mean', 'running_var', 'num_batches_tracked')
    }
    assert model.training and model.segmentor.backbone.norm.training


def test_the_set_that_predicts_is_estimated_and_nothing_is_lost_where_that_fails(make_model, make_batch):
    model = make_model(statistics_from='separate', evaluate_with='source')
    first, second = make_batch(seed=0), make_batch(seed=1)
    before = copy.deepcopy(model.state_dict())

    def failing():
        yield first
        raise OSError('disk full')

    with pytest.raises(OSError):
        estimate_statistics(model, failing())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.evaluate_with == 'source'

    assert estimate_statistics(model, [first, second]) == 1
    images = torch.cat([torch.stack(batch['target']['inputs']) for batch in (first, second)])
    mean, var = batch_moments(model, images)
    buffers = dict(model.statistics.named_buffers())
    torch.testing.assert_close(buffers['source/backbone/norm/running_mean'], mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(buffers['source/backbone/norm/running_var'], var, rtol=1e-10, atol=1e-12)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f'statistics.source/backbone/norm/{n}' for n in ('running_mean', 'running_var', TRACKED)}
    assert model.evaluate_with == 'source' and model.training


def test_estimation_keeps_what_it_cannot_replace():
    reached, unreached = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    model = nn.ModuleList([reached, unreached])
    nn.init.constant_(unreached.running_mean, 5.0)
    assert estimate_statistics(model, [torch.randn(2, 2, 3, 3)], forward=reached) == 1
    assert (unreached.running_mean == 5).all()

    saved = copy.deepcopy(model.state_dict())

    def failing(batch):
        reached(batch)
        raise OSError('disk full')

    with pytest.raises(OSError):
        estimate_statistics(model, [torch.randn(2, 2, 3, 3)], forward=failing)
    with pytest.raises(ValueError, match='no batch'):
        estimate_statistics(model, [])
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    assert estimate_statistics(nn.ReLU(), []) == 0
