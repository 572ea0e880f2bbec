"""Features: the right layers in the right order, the very values of the network; distances of known domains."""

import pytest
import torch
from torch import nn

from sw_mmseg.analysis.domain_layers import distance_table, layer_distances, plot_distances
from sw_mmseg.analysis.features import TracedLayer, collect_features, traced_layers
from sw_mmseg.models import InstanceBatchNorm2d


class Network(nn.Module):
    """Runs c before b, has a norm behind a alone although it is registered last, and a shortcut."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.shortcut, self.norm, self.relu = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.norm(self.a(x)))
        return self.relu(self.b(self.relu(self.c(x)))) + self.shortcut(x)


@pytest.fixture
def network():
    model = Network()
    model.norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
    return model


def test_layers_are_those_that_run_in_their_order(network):
    layers = traced_layers(network, lambda: network(torch.randn(1, 3, 8, 8)))
    assert layers == [TracedLayer('a', 'norm'), TracedLayer('c', 'c'), TracedLayer('b', 'b')]
    assert network.training and not network.a._forward_hooks and not network.norm._forward_hooks
    with pytest.raises(ValueError, match='ran no convolution'):
        traced_layers(network, lambda: None)


def test_a_norm_made_of_norms_is_read_whole(network):
    """IBN gives each of its halves a part of what the convolution puts out."""
    network.norm = InstanceBatchNorm2d(4)
    layers = traced_layers(network, lambda: network(torch.randn(1, 3, 8, 8)))
    assert layers == [TracedLayer('a', 'norm'), TracedLayer('c', 'c'), TracedLayer('b', 'b')]
    picture = torch.randn(1, 3, 8, 8)
    features = collect_features(network, layers, [picture], network, pixels=100, seed=4)
    with torch.no_grad():
        values = torch.relu(network.eval().norm(network.a(picture))).flatten(2)  # 1 C L
    places = torch.randperm(36, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(features['a'].pixels, values[:, :, places].mT)


def test_values_are_those_of_the_network(network):
    layers = traced_layers(network, lambda: network(torch.randn(1, 3, 8, 8)))
    pictures = [torch.randn(1, 3, 8, 8) for _ in range(3)]
    features = collect_features(network, layers, pictures, network, pixels=100, seed=4)  # all 36 pixels
    network.eval()
    with torch.no_grad():
        first = torch.cat([torch.relu(network.norm(network.a(p))) for p in pictures]).flatten(2)  # P C L
    order = [torch.randperm(36, generator=torch.Generator().manual_seed(4 + n)) for n in range(3)]
    expected = torch.stack([values[:, places].T for values, places in zip(first, order)])
    assert features['a'].pixels.shape == (3, 36, 4)
    torch.testing.assert_close(features['a'].pixels, expected)
    mean, deviation = first.mean(-1), first.std(-1, correction=0)
    torch.testing.assert_close(features['a'].style, torch.cat([mean, deviation], 1)[:, None])
    normal = (expected - mean[:, None]) / (deviation[:, None].square() + 1e-5).sqrt()
    torch.testing.assert_close(features['a'].content, normal)
    again = collect_features(network, layers, pictures, network, pixels=5, seed=4)
    torch.testing.assert_close(again['b'].pixels, features['b'].pixels[:, :5])  # the same places, fewer of them


def test_mistakes(network):
    layers = traced_layers(network, lambda: network(torch.randn(1, 3, 8, 8)))
    with pytest.raises(ValueError, match='no pictures'):
        collect_features(network, layers, [], network)
    with pytest.raises(ValueError, match='one picture at a time'):
        collect_features(network, layers, [torch.randn(2, 3, 8, 8)], network)
    with pytest.raises(ValueError, match='did not run'):
        collect_features(network, layers, [torch.randn(1, 3, 8, 8)], lambda x: network.a(x))


@pytest.fixture
def distances(network):
    """A domain, and the same scenes darker and with less contrast: style differs, content does not."""
    generator = torch.Generator().manual_seed(0)
    domains = [
        [
            torch.randn(1, 3, 12, 12, generator=generator) + torch.randn(1, 3, 1, 1, generator=generator) / 4
            for _ in range(14)
        ]
        for _ in range(2)
    ]
    domains[1] = [0.3 * picture - 1.0 for picture in domains[1]]
    layers = traced_layers(network, lambda: network(domains[0][0]))[:2]
    features = [collect_features(network, layers, domain, network, 8) for domain in domains]
    return layer_distances(*features, permutations=40)


def test_a_change_of_light_is_style(distances):
    first = distances[0]
    assert first.features.value > 5 * first.features.error and first.features.p_value < 0.05
    assert first.style.value > 3 * abs(first.content.value) and first.covariance > 0.5


def test_tables_and_plots(distances):
    table = distance_table({'BN': distances, 'SW': distances}, 'style')
    assert table.headings == ('layer', 'BN', 'SW') and [row[0] for row in table.rows] == ['1 a', '2 c', 'mean']
    assert table.rows[0][1].endswith('*') and '±' in table.rows[0][1]
    figure = plot_distances({'BN': distances, 'SW': distances})
    line = figure.axes[0].get_lines()[0]
    assert list(line.get_ydata()) == [d.features.value for d in distances]
    colours = {line.get_label(): line.get_color() for line in figure.axes[0].get_lines()}
    assert colours['BN'] == '#a3a8af' and colours['SW'] == '#0072b2'  # those of the table of norms
    assert plot_distances({'BN': distances}, 'covariance').axes[0].get_lines()[0].get_ydata()[0] == (
        distances[0].covariance
    )
    with pytest.raises(ValueError, match="'SW' has other layers than 'BN'"):
        distance_table({'BN': distances, 'SW': distances[:1]})
    with pytest.raises(ValueError, match='no network'):
        plot_distances({})
