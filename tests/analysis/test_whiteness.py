"""Whiteness of layers whose output is known, and against the diagnosis of a single input."""

import pytest
import torch
from torch import nn

from sw_mmseg.analysis.whiteness import measure_whiteness, plot_whiteness, whiteness_table
from sw_mmseg.whitening import SwitchWhiten2d


def correlated(n, c, side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(c, c, generator=generator) / c**0.5 + torch.eye(c)
    return torch.einsum('ab,nbhw->nahw', mixing, torch.randn(n, c, side, side, generator=generator)) + 3


@pytest.fixture
def model():
    model = nn.Sequential(SwitchWhiten2d(8, statistics=('iw',), group_size=4, inverse_sqrt='eigh'), nn.ReLU())
    nn.init.constant_(model[0].weight, 5.0)  # γ and β must not count
    nn.init.constant_(model[0].bias, 2.0)
    return model.train()


def test_instance_whitening_is_white(model):
    pictures = [correlated(1, 8, 12, seed) for seed in range(3)]
    (layer,) = measure_whiteness(model, pictures, model)
    assert layer.layer == '0' and layer.picture < 1e-4 and layer.together < 1e-4
    assert layer.worst_condition >= layer.condition > 1 and layer.newton_residual >= 0
    assert model.training and not model[0]._forward_pre_hooks
    assert model[0].weight[0] == 5.0


def test_all_pictures_together_are_the_batch_of_a_diagnosis():
    layer = SwitchWhiten2d(8, group_size=4)
    layer.train()
    layer(correlated(6, 8, 10, 9))
    layer.eval()
    model = nn.Sequential(layer)
    x = correlated(4, 8, 10)
    (site,) = measure_whiteness(model, x.split(1), model)
    whole = layer.diagnose(x)
    assert site.together == pytest.approx(whole.batch_distance.mean().item(), rel=1e-4)
    assert site.picture == pytest.approx(whole.image_distance.median().item(), rel=1e-6)
    assert site.condition == pytest.approx(whole.condition.median().item(), rel=1e-6)
    assert site.newton_residual == pytest.approx(whole.newton_residual.median().item(), rel=1e-4)


def test_an_untrained_layer_of_batch_statistics_does_nothing():
    """Running statistics are mean 0 and the identity: the output is the input, whose distance is known."""
    layer = SwitchWhiten2d(4, statistics=('bw',), group_size=4, inverse_sqrt='eigh')
    x = correlated(2, 4, 30)
    model = nn.Sequential(layer)
    (site,) = measure_whiteness(model, [x], model)
    values = x.transpose(0, 1).flatten(1).double()
    expected = torch.linalg.matrix_norm(torch.cov(values, correction=0) - torch.eye(4)) / 2
    assert site.together == pytest.approx(expected.item(), rel=1e-3) and site.condition == pytest.approx(1, abs=1e-6)


def test_table_and_plot(model):
    layers = measure_whiteness(model, [correlated(1, 8, 6)], model)
    table = whiteness_table({'source': layers, 'target': layers})
    assert [row[:2] for row in table.rows] == [('0', 'source'), ('0', 'target')]
    figure = plot_whiteness({'source': layers, 'target': layers})
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [layers[0].picture]


def test_mistakes(model):
    with pytest.raises(ValueError, match='no SW layer whose'):
        measure_whiteness(nn.Sequential(nn.BatchNorm2d(3)), [], lambda x: x)
    with pytest.raises(ValueError, match='no images'):
        measure_whiteness(model, [], model)
