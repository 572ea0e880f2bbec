"""The table of norms: every norm that this project compares, with its name in configs, file names, tables and plots.

    NORMS['swb'].title              'SWb'
    NORMS['swb'].statistics         ('bw', 'iw', 'bn', 'in', 'ln'), its Ω (Section 3.1)
    NORMS['swb'].layer(64)          the layer for 64 channels
    NORMS['swb'].config()           {'type': 'SWb'}, for `norm_cfg`

The key is the short name, in file names and behind `--norm`. The colour of a norm is the same in every plot. Colours
differ for readers with any of the common colour deficiencies and stand out on a light page and on a dark one; BN is
grey, as what the others are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from .layer import SwitchWhiten2d
from .presets import PRESETS, BatchWhiten2d, FullSwitchWhiten2d, InstanceWhiten2d, SwitchNorm2d

__all__ = ['NORMS', 'NORMS_BY_TITLE', 'Norm']

GROUPS = 32  # of GN, as its authors have it


@dataclass(frozen=True)
class Norm:
    """One norm.

    Attributes:
        word: short name, in file names and behind `--norm`.
        type: registered type, for `norm_cfg`.
        title: name in tables and plots.
        colour: in every plot, '#rrggbb'.
        statistics: Ω, of which the norm is the mixture; None where the layer of this package has no such Ω.
        layer: makes the layer for a number of channels; None where a class outside this package has the type.
        options: what `norm_cfg` says beside the type.
        switchable: whether the layer is this package's.
    """

    word: str
    type: str
    title: str
    colour: str
    statistics: tuple[str, ...] | None
    layer: Callable[[int], nn.Module] | None
    options: Mapping[str, Any] = field(default_factory=dict)
    switchable: bool = False

    def config(self) -> dict[str, Any]:
        """What stands in a config as `norm_cfg`."""
        return {'type': self.type, **self.options}


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(GROUPS, channels), channels)


def _layer_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


_ROWS = (
    Norm('bn', 'BN', 'BN', '#a3a8af', PRESETS['BN'], nn.BatchNorm2d),
    Norm('syncbn', 'SyncBN', 'SyncBN', '#494e55', PRESETS['BN'], None),
    Norm('gn', 'GN', 'GN', '#c4b65b', None, _group_norm, {'num_groups': GROUPS}),
    Norm('ln', 'GN', 'LN', '#3844b7', PRESETS['LN'], _layer_norm, {'num_groups': 1}),
    Norm('in', 'IN', 'IN', '#56b4e9', PRESETS['IN'], partial(nn.InstanceNorm2d, affine=True), {'affine': True}),
    Norm('sn', 'SN', 'SN', '#e69f00', PRESETS['SN'], SwitchNorm2d, switchable=True),
    Norm('ibn', 'IBN', 'IBN', '#8c501e', None, None),
    Norm('bw', 'BW', 'BW', '#009e73', PRESETS['BW'], BatchWhiten2d, switchable=True),
    Norm('iw', 'IW', 'IW', '#9460ff', PRESETS['IW'], InstanceWhiten2d, switchable=True),
    Norm('sw', 'SW', 'SWa', '#0072b2', PRESETS['SWa'], SwitchWhiten2d, switchable=True),
    Norm('swb', 'SWb', 'SWb', '#d55e00', PRESETS['SWb'], FullSwitchWhiten2d, switchable=True),
)
NORMS: dict[str, Norm] = {norm.word: norm for norm in _ROWS}
"""Short name, as behind `--norm`, -> row."""
NORMS_BY_TITLE: dict[str, Norm] = {norm.title: norm for norm in _ROWS}
"""Name in tables and plots -> row."""
