"""Instance statistics by hand, distances by hand, and a map whose directions are known."""

import math

import pytest
import torch
from torch import nn

from sw_mmseg.analysis.instance_map import (
    instance_map,
    instance_statistics,
    norm_names,
    plot_instance_map,
    reference_statistics,
    statistic_distances,
)
from sw_mmseg.whitening import SwitchWhiten2d


def test_statistics_are_those_of_the_norms_input():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    pictures = [torch.randn(1, 3, 6, 6) for _ in range(3)]
    vectors = instance_statistics(model, '1', pictures, model)
    with torch.no_grad():
        values = model[0](torch.cat(pictures)).flatten(2)
    torch.testing.assert_close(vectors[:, :4], values.mean(-1))
    torch.testing.assert_close(vectors[:, 4:], (values.var(-1, correction=0) + 1e-5).sqrt().log())
    assert norm_names(model) == ['1'] and model.training and not model[1]._forward_pre_hooks
    with pytest.raises(ValueError, match="no norm 'x'"):
        instance_statistics(model, 'x', pictures, model)
    with pytest.raises(ValueError, match='did not run'):
        instance_statistics(model, '1', [], model)


def test_distances_by_hand():
    # means 1 and 2 standard deviations away, deviations e and 1 times as large: sqrt((1 + 4 + 1 + 0) / 4)
    vectors = torch.tensor([[2.0, 5.0, math.log(2 * math.e), math.log(2.0)]])
    mean, deviation = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 2.0])
    assert statistic_distances(vectors, mean, deviation).item() == pytest.approx(math.sqrt(6 / 4))


def test_references():
    layer = SwitchWhiten2d(4, group_size=2)
    layer.running_mean.copy_(torch.arange(4.0))
    layer.running_cov.copy_(torch.tensor([[[4.0, 1], [1, 9]], [[1, 0], [0, 16]]]))
    mean, deviation, source = reference_statistics(layer, None)
    torch.testing.assert_close(deviation, torch.tensor([2.0, 3, 1, 4]), rtol=1e-4, atol=0)
    assert mean.tolist() == [0, 1, 2, 3] and source == 'running statistics'
    # two pictures of means 0 and 2, deviations 1 and 1: mean 1, variance 1 + 1
    mean, deviation, source = reference_statistics(nn.InstanceNorm2d(1), torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    assert mean.item() == 1 and deviation.item() == pytest.approx(math.sqrt(2)) and 'source' in source


def test_the_map_finds_what_tells_domains_apart():
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(40, 6, generator=generator)
    noise[:, 5] = 3.0  # a constant entry has no say
    source, target = noise[:20], noise[20:] + torch.tensor([1.0, -1, 1, 1, 0, 0])
    projection = instance_map({'source': source, 'target': target})
    first = {name: places[:, 0] for name, places in projection.places.items()}
    assert first['source'].max() < first['target'].min() or first['target'].max() < first['source'].min()
    assert 0.7 < projection.shares[0] < 0.9 and projection.shares[1] < 0.25  # four of five entries carry the difference
    pooled = torch.cat(list(projection.places.values()))
    assert torch.allclose(pooled.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-9)
    assert abs(float((pooled[:, 0] * pooled[:, 1]).sum())) < 1e-9
    figure = plot_instance_map(projection, 'map', {'target': torch.tensor([3, 0])})
    assert [text.get_text() for text in figure.axes[0].texts] == ['1', '2']
    assert figure.axes[0].texts[0].xy == pytest.approx(projection.places['target'][3].tolist())
    with pytest.raises(ValueError, match='at least three'):
        instance_map({'a': source[:1], 'b': target[:1]})
