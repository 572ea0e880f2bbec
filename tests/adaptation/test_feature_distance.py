"""Distances by hand, things by counting, and where the start is kept."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.adaptation.feature_distance import FeatureDistance, things
from tests.helpers.tiny_networks import tiny_config, two_domain_batch


class Scaled(nn.Module):
    """Two maps, the last of which is the image times a factor for each of its channels."""

    def __init__(self):
        super().__init__()
        self.factors = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, images):
        return images, images * self.factors.view(3, 1, 1)


def test_things_fill_most_of_their_area():
    labels = torch.full((1, 4, 8), 9)
    labels[0, :, :2] = 3
    labels[0, 0, 4:6] = 3  # 2 of the 8 pixels of its half, with 4 below of class 5: no class has more than half
    labels[0, 1:3, 4:6] = 5
    labels[0, :2, 6:] = 255
    assert things(labels, (1, 4), (3, 5), 0.49).tolist() == [[[True, False, True, False]]]
    assert things(labels, (1, 4), (3, 5), 0.5).tolist() == [[[True, False, False, False]]]
    assert things(labels, (1, 4), (3,), 0.2).tolist() == [[[True, False, True, False]]]
    assert things(labels, (1, 3), (255,), 0.0).shape == (1, 1, 3)


def test_distance_is_the_mean_norm_over_things():
    """Features differ by (0, 3, 4) times the image of ones: the norm is 5, over things alone."""
    backbone = Scaled()
    distance = FeatureDistance(backbone, classes=(1,))
    images, labels = torch.ones(1, 3, 2, 2), torch.tensor([[[0, 1], [1, 255]]])
    features = images * torch.tensor([1.0, 5.0, 7.0]).view(3, 1, 1)
    features[0, :, 0, 0] = 100.0  # no thing
    assert distance(images, features, labels).item() == pytest.approx(5.0)
    assert distance(images, features, torch.zeros_like(labels)).item() == 0
    with torch.no_grad():
        backbone.factors.copy_(torch.tensor([1.0, 5.0, 7.0]))
    assert distance(images, features, labels).item() == pytest.approx(5.0)  # a copy
    distance.start_at(backbone)
    assert distance(images, features, labels).item() == 0
    assert not distance.train().training and not any(p.requires_grad for p in distance.parameters())


def test_it_enters_the_step_and_its_state_is_kept():
    def build(**kwargs):
        torch.manual_seed(1)
        return MODELS.build(tiny_config('SelfTraining', norm=None, **kwargs)).double().train()

    plain, kept = build(), build(feature_distance={'weight': 0.5, 'classes': range(5), 'min_share': 0.1})
    kept.segmentor.init_cfg = None
    kept.segmentor.backbone.conv2.weight.data *= 1.1
    plain.segmentor.load_state_dict(kept.segmentor.state_dict())
    start = copy.deepcopy(kept)

    def step(model):
        batch = two_domain_batch(source=(32, 48), target=(32, 48))
        optimizer = torch.optim.SGD(model.segmentor.parameters(), lr=1.0)
        log = model.train_step(batch, OptimWrapperDict(segmentor=OptimWrapper(optimizer)))
        return log, model.segmentor.backbone.conv2.weight.detach()

    (log_plain, weight_plain), (log_kept, weight_kept) = step(plain), step(kept)
    assert log_kept['loss_seg'] == log_plain['loss_seg'] and 'loss_features' not in log_plain

    images = start.data_preprocessor(two_domain_batch(source=(32, 48), target=(32, 48)), True)['source']
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in images['data_samples']])
    weight = start.segmentor.backbone.conv2.weight
    expected = start.feature_distance(images['inputs'], start.segmentor.backbone(images['inputs'])[-1], labels)
    assert expected > 0
    torch.testing.assert_close(log_kept['loss_features'], expected.detach())
    (gradient,) = torch.autograd.grad(0.5 * expected, weight)
    torch.testing.assert_close(weight_plain - weight_kept, gradient, rtol=1e-6, atol=1e-10)
    assert 'feature_distance.start.conv2.weight' in kept.state_dict()
    kept.init_weights()
    assert torch.equal(kept.feature_distance.start.conv2.weight, kept.segmentor.backbone.conv2.weight)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match='feature_distance needs weight >= 0'):
        FeatureDistance(nn.Identity(), weight=-1.0)
