"""The table of norms: every layer is the norm of its Ω, and the colours can be told apart."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sw_mmseg.whitening import NORMS, SwitchWhiten2d

# Machado et al. (2009): what a reader without one kind of cones sees of linear RGB
SIGHT = {
    'all cones': np.eye(3),
    'protanopia': np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    'deuteranopia': np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    'tritanopia': np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def linear(colour):
    """'#rrggbb' -> linear RGB, 0 to 1."""
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Linear RGB -> CIE L*a*b*, white D65."""
    xyz = np.array([[0.4124564, 0.3575761, 0.1804375], LUMINANCE, [0.0193339, 0.1191920, 0.9503041]]) @ rgb
    xyz = xyz / [0.95047, 1.0, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize('sight', SIGHT)
def test_colours_differ_for_every_reader(sight):
    """CIE 1976: 2.3 is just noticeable; 15 is a clear difference of two thin lines."""
    seen = {word: lab(np.clip(SIGHT[sight] @ linear(norm.colour), 0, 1)) for word, norm in NORMS.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


def test_colours_stand_out_on_both_pages():
    for norm in NORMS.values():
        light = LUMINANCE @ linear(norm.colour) + 0.05
        for page in ('#ffffff', '#161b22'):
            behind = LUMINANCE @ linear(page) + 0.05
            assert max(light, behind) / min(light, behind) >= 1.9, (norm.word, page)


def test_words_types_and_omegas():
    assert {word: (norm.type, norm.title, norm.statistics) for word, norm in NORMS.items() if norm.switchable} == {
        'sn': ('SN', 'SN', ('bn', 'in', 'ln')),
        'bw': ('BW', 'BW', ('bw',)),
        'iw': ('IW', 'IW', ('iw',)),
        'sw': ('SW', 'SWa', ('bw', 'iw')),
        'swb': ('SWb', 'SWb', ('bw', 'iw', 'bn', 'in', 'ln')),
    }
    for word, norm in NORMS.items():
        assert norm.word == word and norm.config()['type'] == norm.type
        assert len({other.title for other in NORMS.values()}) == len(NORMS)
        if norm.switchable:
            assert norm.config() == {'type': norm.type} and norm.layer(16).statistics == norm.statistics


@pytest.mark.parametrize('word', [word for word, norm in NORMS.items() if norm.layer and norm.statistics])
def test_a_layer_is_what_its_statistics_say(word):
    """torch's norms and the presets give what SwitchWhiten2d of the row's Ω gives."""
    x = torch.randn(4, 32, 6, 5, dtype=torch.float64)
    layer = NORMS[word].layer(32).double().train()
    expected = SwitchWhiten2d(32, statistics=NORMS[word].statistics).double().train()
    torch.testing.assert_close(layer(x), expected(x), rtol=1e-6, atol=1e-6)
    assert [parameter.shape for parameter in (layer.weight, layer.bias)] == [(32,), (32,)]


def test_group_norm_has_32_groups_or_as_many_as_channels():
    assert [NORMS['gn'].layer(channels).num_groups for channels in (64, 16)] == [32, 16]
    assert isinstance(NORMS['ln'].layer(16), nn.GroupNorm) and NORMS['ln'].layer(16).num_groups == 1
