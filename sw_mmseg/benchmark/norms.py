"""Norm layers by name, as the tables of this folder call them; each takes a channel count. Needs torch alone.

BatchNorm2d, GroupNorm, InstanceNorm2d and LayerNorm (one group over all channels and pixels) are torch's. SN to SWb are
`SwitchWhiten2d` with the Ω of that name, T = 5 of Newton's iteration; 'eigh' says eigendecomposition instead. The
last three, BN, IN and LN, are the same layer with the statistics of torch's norms.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

BASELINE = 'BatchNorm2d'
_SWITCHABLE = {name: partial(SwitchWhiten2d, statistics=words) for name, words in PRESETS.items()}
_EIGH = {f'{name} eigh': partial(SwitchWhiten2d, statistics=PRESETS[name], inverse_sqrt='eigh')
         for name in ('BW', 'IW', 'SWa', 'SWb')}

NORMS: dict[str, Callable[[int], nn.Module]] = {
    BASELINE: nn.BatchNorm2d,
    'GroupNorm': lambda channels: nn.GroupNorm(min(32, channels), channels),
    'InstanceNorm2d': lambda channels: nn.InstanceNorm2d(channels, affine=True),
    'LayerNorm': lambda channels: nn.GroupNorm(1, channels),
    **{name: _SWITCHABLE[name] for name in ('SN', 'BW', 'IW', 'SWa', 'SWb')},
    **_EIGH,
    **{name: _SWITCHABLE[name] for name in ('BN', 'IN', 'LN')},
}
