"""Switches re-estimated after training: the objectives by hand, and what moves and what does not."""

import math

import pytest
import torch
from torch import nn

from sw_mmseg.adaptation import DisturbedSource, estimate_switches
from sw_mmseg.adaptation.estimate_switches import certainty_and_diversity
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.whitening import SwitchWhiten2d


def test_objective_of_known_predictions():
    big = 50.0
    sure_and_diverse = torch.tensor([[big, 0.0], [0.0, big]]).view(1, 2, 1, 2)
    assert certainty_and_diversity(sure_and_diverse).item() == pytest.approx(-1, abs=1e-6)
    one_class = torch.tensor([[big, big], [0.0, 0.0]]).view(1, 2, 1, 2)
    assert certainty_and_diversity(one_class).item() == pytest.approx(0, abs=1e-6)
    # p = 3/4 in one pixel and 1/4 in the other: entropy of each as of (3/4, 1/4), of their mean 1
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]]).view(1, 2, 1, 2)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert certainty_and_diversity(logits).item() == pytest.approx(entropy - 1, rel=1e-5)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), SwitchWhiten2d(8, group_size=4), nn.ReLU(), nn.Conv2d(8, 4, 1))


def test_only_switches_move_and_the_objective_falls():
    model = network().train()
    model(torch.randn(4, 3, 12, 12))  # running statistics of other images
    model[0].weight.requires_grad_(False)
    batch = 3 * torch.randn(4, 3, 12, 12) + torch.randn(4, 3, 1, 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses = estimate_switches(model, [batch] * 30)
    assert len(losses) == 30 and losses[-1] < losses[0] - 1e-3
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {'1.mean_logits', '1.cov_logits'}
    assert model.training and model[1].training and not model[0].weight.requires_grad and model[3].weight.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_networks_without_switches_missing_images_and_broken_predictions():
    assert estimate_switches(nn.Conv2d(3, 4, 1), iter(())) == []
    with pytest.raises(ValueError, match='no batch'):
        estimate_switches(network(), [])
    model = network()
    before = model[1].mean_logits.detach().clone()
    good = torch.randn(2, 3, 8, 8)
    with pytest.raises(FloatingPointError, match='as they were'):
        estimate_switches(model, [good, good * float('nan')])
    assert torch.equal(model[1].mean_logits, before) and model[0].weight.requires_grad


class Segmentor(nn.Module):
    """As much of an mmseg segmentor as is asked for: one SW layer, one value of a picture to predict."""

    def __init__(self):
        super().__init__()
        self.norm = SwitchWhiten2d(3, group_size=3)

    def data_preprocessor(self, batch, training):
        assert training
        return batch

    def loss(self, inputs, data_samples):
        return {'loss': (self.norm(inputs) - data_samples).square().mean(), 'acc': torch.ones(())}

    def parse_losses(self, losses):
        return losses['loss'], losses


@pytest.fixture
def segmentor():
    """Trained on nothing, but with the running statistics of dark pictures."""
    torch.manual_seed(0)
    model = Segmentor().train()
    for _ in range(200):
        model.norm(0.2 * torch.rand(4, 3, 8, 8))
    return model.eval()


def test_undisturbed_source_is_the_networks_loss_and_the_disturbed_one_is_drawn_anew_by_seed(segmentor):
    batch = {'inputs': torch.rand(2, 3, 8, 8), 'data_samples': torch.randn(2, 3, 8, 8)}
    plain = segmentor.loss(**batch)['loss']
    nothing = Photometric(0, 0, 0, 0, blur=(0.0, 0.0), blur_probability=0)
    assert DisturbedSource(nothing)(segmentor, batch).item() == pytest.approx(plain.item(), rel=1e-5)
    of_pair = DisturbedSource(nothing)(segmentor, {'source': batch, 'target': None})
    assert of_pair.item() == pytest.approx(plain.item(), rel=1e-5)
    one, again, other = DisturbedSource(), DisturbedSource(), DisturbedSource(seed=1)
    first, second = one(segmentor, batch).item(), one(segmentor, batch).item()
    assert first == again(segmentor, batch).item() and len({first, second, other(segmentor, batch).item()}) == 3


def test_light_that_changes_turns_switches_to_each_pictures_statistics(segmentor):
    """What is to be predicted is the picture whitened by its own statistics in the light of the training."""
    pictures = 0.2 * torch.rand(8, 3, 8, 8)
    with torch.no_grad():
        target = segmentor.norm(pictures)
    bright = Photometric(1.0, 0, 0, 0, blur=(0.0, 0.0), blur_probability=0)
    batch = {'inputs': pictures, 'data_samples': target}
    index = segmentor.norm.statistics.index('iw')
    before = segmentor.norm.mean_logits.softmax(0)[index].item(), segmentor.norm.cov_logits.softmax(0)[index].item()
    estimate_switches(segmentor, [batch] * 60, objective=DisturbedSource(bright))
    after = segmentor.norm.mean_logits.softmax(0)[index].item(), segmentor.norm.cov_logits.softmax(0)[index].item()
    assert min(after) > 0.8 > 0.51 > max(before)
