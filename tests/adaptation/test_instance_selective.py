"""ISW: warm-up, comparison and whitening by hand; its state; that views move nothing."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.losses import sensitive_entries
from tests.adaptation.by_hand import cross_entropy_by_hand, network_by_hand, upsampled

ISW = 'InstanceSelectiveWhitening'


@pytest.fixture
def make(make_model):
    return lambda levels=1, **kwargs: make_model(ISW, levels=levels, **kwargs)


@pytest.fixture
def batch(make_batch):
    return lambda seed=0: make_batch(seed=seed)['source']


def correlations(images, norm, conv):
    """(N, 6): of the four channels behind the norm, i < j, from their definition."""
    rows = []
    for image in norm(conv(images)):
        x = image.flatten(1)
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        s = x @ x.T / x.shape[1]
        rows.append(torch.stack([s[i, j] for i in range(4) for j in range(i + 1, 4)]))
    return torch.stack(rows)


def normalised(side):
    return (torch.stack(side['inputs']).double() - 120) / 60


def test_whitening_step_equals_the_formulas(make, batch, make_wrappers):
    model = make(lambda_isw=0.6)
    model.iteration.fill_(3)
    mask = torch.tensor([True, False, True, True, False, False])
    model.covariances[0].mask.copy_(mask)
    before = copy.deepcopy(model)
    log = model.train_step(batch(), make_wrappers(model))

    seg = {name: p.detach().clone().requires_grad_() for name, p in before.segmentor.named_parameters()}
    images = normalised(batch())
    labels = torch.stack([s.gt_sem_seg.data[0] for s in batch()['data_samples']])
    logits = network_by_hand(seg, images)['decode_head']
    loss_seg = cross_entropy_by_hand(upsampled(logits, images.shape[2:]), labels)

    def norm(x):  # its bias leaves correlations alone
        return x * seg['backbone.norm.weight'].view(1, -1, 1, 1)

    def conv(x):
        x = nn.functional.conv2d(x, seg['backbone.conv1.weight'], seg['backbone.conv1.bias'], stride=2, padding=1)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt()

    loss_isw = correlations(images, norm, conv)[:, mask].abs().mean()
    torch.testing.assert_close(log['loss_seg'].double(), loss_seg.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log['loss_isw'].double(), loss_isw.detach(), rtol=1e-9, atol=1e-9)
    assert log['whitened'].item() == 0.5
    gradients = torch.autograd.grad(loss_seg + 0.6 * loss_isw, list(seg.values()))
    for name, gradient in zip(seg, gradients):
        change = before.segmentor.state_dict()[name] - model.segmentor.state_dict()[name]
        torch.testing.assert_close(change, gradient, rtol=1e-7, atol=1e-10, msg=name)


def test_variances_are_those_between_images_and_their_views(make, batch, make_wrappers):
    """Warm-up of three iterations, the last two of which compare."""
    model = make()
    wrappers = make_wrappers(model, lr=0.01)
    expected = torch.zeros(6).double()
    for iteration in range(3):
        before = copy.deepcopy(model)
        log = model.train_step(batch(iteration), wrappers)
        assert log['loss_isw'] == 0
        if iteration == 0:
            assert not model.covariances[0].variance.any()
            continue
        images, backbone = normalised(batch(iteration)), before.segmentor.backbone
        generators = image_generators('view', int(model.seed), iteration, 2)
        views = before.view(images, generators, before.data_preprocessor)
        one, other = (correlations(x, backbone.norm, backbone.conv1) for x in (images, views))
        expected += (torch.stack([one, other]) - (one + other) / 2).square().mean(0).sum(0).detach()
    torch.testing.assert_close(model.covariances[0].variance, expected, rtol=1e-9, atol=1e-12)
    assert expected.min() > 0
    assert torch.equal(model.covariances[0].mask, sensitive_entries(expected)) and model.covariances[0].mask.any()
    assert model.train_step(batch(3), wrappers)['loss_isw'] > 0
    torch.testing.assert_close(model.covariances[0].variance, expected, rtol=1e-9, atol=1e-12)  # made once


@pytest.mark.parametrize('norm', ['bn', 'sw'])
def test_comparing_changes_neither_weights_nor_statistics(norm, make, batch, make_wrappers):
    comparing, plain = make(norm=norm, warmup=2, compare=2), make(norm=norm, warmup=9, compare=1)
    for model in (comparing, plain):
        model.train_step(batch(), make_wrappers(model, lr=0.1))
    assert comparing.covariances[0].variance.any() and not plain.covariances[0].variance.any()
    for name, value in plain.segmentor.state_dict().items():
        assert torch.equal(value, comparing.segmentor.state_dict()[name]), name
    assert comparing.segmentor.backbone.norm.num_batches_tracked == 1


def test_whitening_lowers_the_chosen_covariances(make, batch, make_wrappers):
    model = make(warmup=1, compare=1, lambda_isw=5.0)
    wrappers = make_wrappers(model, lr=0.05)
    losses = [model.train_step(batch(), wrappers)['loss_isw'].item() for _ in range(12)]
    assert losses[0] == 0 and 0 < losses[-1] < 0.8 * losses[1]


def test_a_new_run_from_a_checkpoint_compares_anew(make):
    model, past = make(), make()
    past.iteration.fill_(500)
    past.seed.fill_(99)
    for layer in past.covariances:
        layer.variance.fill_(3)
        layer.mask.fill_(True)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(past.state_dict())
    model.restart()
    parts = ('iteration', 'seed', 'covariances.')
    told = [key for key in fresh if key.startswith(parts)]
    assert len(told) >= 4 and all(torch.equal(model.state_dict()[key], fresh[key]) for key in told)


def test_frozen_statistics_stay(make, batch, make_wrappers):
    model = make(statistics_from='frozen', warmup=1, compare=1)
    wrappers = make_wrappers(model, lr=0.01)
    for seed in range(2):
        model.train_step(batch(seed), wrappers)
    norm = model.segmentor.backbone.norm
    assert norm.num_batches_tracked == 0 and (norm.running_mean == 0).all() and norm.training


def test_hooks_are_gone_after_the_step(make, batch, make_wrappers):
    model = make(warmup=1, compare=1)
    wrappers = make_wrappers(model, lr=0.01)
    model.train_step(batch(), wrappers)
    assert not model.segmentor.backbone.norm._forward_hooks
    with pytest.raises(KeyError), model.measured():
        raise KeyError
    assert not model.segmentor.backbone.norm._forward_hooks


def test_clear_errors(make, make_batch, make_wrappers):
    with pytest.raises(ValueError, match=r"layers must name norms.*\['norn'\].*\['norm'\]"):
        make(layers=['norn'])
    with pytest.raises(ValueError, match='nothing does not'):
        make(layers=[])
    with pytest.raises(ValueError, match='ISW sees no target image'):
        make(statistics_from='target')
    with pytest.raises(ValueError, match='compare must lie between'):
        make(warmup=3, compare=4)
    with pytest.raises(ValueError, match='clusters must be at least 2'):
        make(clusters=1)
    with pytest.raises(TypeError, match='brigthness'):
        make(view={'brigthness': 0.1})
    with pytest.raises(KeyError, match='source images alone'):
        model = make()
        model.train_step(make_batch(), make_wrappers(model))
