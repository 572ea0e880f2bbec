"""Tiles and frames: the same picture as untiled, for every norm; smoothed moments by hand."""

import pytest
import torch
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.stylization import StyleNetwork, WholePicture
from sw_mmseg.stylization.statistics import PictureNorm, windows
from sw_mmseg.whitening import InstanceWhiten2d

CLOSE = dict(rtol=1e-5, atol=1e-5)
NORMS = {
    'BN': dict(type='BN'),
    'IN': dict(type='IN'),
    'IW': dict(type='IW'),
    'SW': dict(type='SW'),
    'SWb': dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln')),
    # without running statistics, of which a batch in evaluation is the picture
    'SW of its batch': dict(type='SW', track_running_stats=False),
    'BW of its batch': dict(type='SW', statistics=('bw',), track_running_stats=False),
    'BN of its batch': dict(type='BN', track_running_stats=False),
}


def network_of(norm, decoder='transposed'):
    """Affine parameters, switches and running statistics are not those of a new network."""
    torch.manual_seed(0)
    network = StyleNetwork(NORMS[norm], width=16, blocks=2, decoder=decoder).train()
    network(torch.rand(2, 3, 32, 32))
    for name, parameter in network.named_parameters():
        if parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.5, 1.5) if name.endswith('weight') else nn.init.normal_(parameter)
    return network.eval()


@pytest.mark.parametrize('decoder', ['transposed', 'resize'])
@pytest.mark.parametrize('norm', NORMS)
def test_tiles_make_the_picture_of_the_whole(norm, decoder):
    network, picture = network_of(norm, decoder), torch.rand(3, 90, 135)
    with torch.no_grad():
        whole = network(picture[None])[0]
    assert torch.allclose(WholePicture(network)(picture), whole, atol=1e-6)
    tiled = WholePicture(network, tile=32)(picture)
    assert tiled.shape == whole.shape and (tiled - whole).abs().max() < 1e-5 and whole.std() > 0.05


def test_tiles_that_see_only_themselves_would_show():
    """What the test above would miss if it compared nothing."""
    network, picture = network_of('IW'), torch.rand(3, 64, 64)
    picture[:, :, 32:] *= 0.1
    with torch.no_grad():
        naive = torch.cat([network(part[None])[0] for part in picture.split(32, 2)], 2)
        assert (naive - network(picture[None])[0]).abs().max() > 0.05


def test_windows_cover_every_pixel_once():
    seen = torch.zeros(10, 7)
    for outer, inner in windows((10, 7), 4, 2):
        seen[slice(*inner[0]), slice(*inner[1])] += 1
        assert outer == tuple((max(0, a - 2), min(side, b + 2)) for (a, b), side in zip(inner, (10, 7)))
    assert (seen == 1).all()


def test_moments_of_parts_are_those_of_the_whole():
    x = 50 + torch.randn(1, 16, 9, 14) @ torch.randn(14, 14)
    layer = InstanceWhiten2d(16, inverse_sqrt='eigh', eps=1e-3)
    norm = PictureNorm(layer)
    norm.whole_input = False
    for part in (x[..., :3], x[..., 3:4], x[..., 4:]):
        norm.add(part)
    norm.close()
    assert torch.allclose(norm(x), layer(x), atol=2e-4)


def test_smoothing_by_hand():
    """IN with means 1, then 5, and variance 4 both times; 3/4 of the old stays: mean 2, variance 4."""
    first = torch.tensor([-1.0, 3.0]).view(1, 1, 1, 2)
    norm = PictureNorm(nn.InstanceNorm2d(1, eps=1e-12), smooth=0.75)
    assert torch.allclose(norm(first).flatten(), torch.tensor([-1.0, 1.0]))
    assert torch.allclose(norm(first + 4).flatten(), (torch.tensor([3.0, 7.0]) - 2) / 2)
    with pytest.raises(ValueError, match='less than 1'):
        PictureNorm(nn.InstanceNorm2d(1), smooth=1.0)


@pytest.mark.parametrize('norm', NORMS)
def test_without_a_picture_before_smoothing_changes_nothing(norm):
    network, picture = network_of(norm), torch.rand(3, 48, 48)
    torch.testing.assert_close(WholePicture(network, smooth=0.5)(picture), WholePicture(network)(picture), **CLOSE)


def test_smoothed_frames_flicker_less_in_tiles_as_well():
    network, still = network_of('IW'), torch.rand(3, 48, 48)
    frames = [(still * light).clamp(0, 1) for light in (1.0, 0.6, 1.0, 0.6)]

    def flicker(engine):
        made = [engine(frame) for frame in frames]
        return sum((a.mean((1, 2)) - b.mean((1, 2))).abs().sum().item() for a, b in zip(made, made[1:])), made

    _, plain = flicker(WholePicture(network))
    _, smoothed = flicker(WholePicture(network, smooth=0.9))
    _, tiled = flicker(WholePicture(network, tile=32, smooth=0.9))
    assert torch.allclose(smoothed[0], plain[0], atol=1e-5)  # nothing came before the first
    for a, b in zip(smoothed, tiled):
        assert torch.allclose(a, b, atol=1e-5)
    assert (smoothed[1] - plain[1]).abs().max() > 0.02


def test_norms_of_unknown_statistics_are_refused():
    network = StyleNetwork(dict(type='BN'), width=16, blocks=1)
    network.encoder[0][1] = nn.GroupNorm(4, 16)
    with pytest.raises(ValueError, match='GroupNorm has statistics that are not gathered'):
        WholePicture(network, tile=32)
    assert WholePicture(network)(torch.rand(3, 20, 20)).shape == (3, 20, 20)
    with pytest.raises(ValueError, match='multiple of 4'):
        WholePicture(network, tile=33)
