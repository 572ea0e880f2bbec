"""Norm layers by name, as the tables of this folder call them; each takes a channel count. Needs torch alone.

BatchNorm2d, GroupNorm, InstanceNorm2d and LayerNorm (one group over all channels and pixels) are torch's. SN to SWb are
`SwitchWhiten2d` with the Ω of that name, T = 5 of Newton's iteration; 'eigh' says eigendecomposition instead. The
last three, BN, IN and LN, are the same layer with the statistics of torch's norms.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from sw_mmseg.whitening import NORMS as TABLE
from sw_mmseg.whitening import NORMS_BY_TITLE, SwitchWhiten2d

__all__ = ['BASELINE', 'NORMS']

BASELINE = 'BatchNorm2d'
_PAPER = ('SN', 'BW', 'IW', 'SWa', 'SWb')
_EIGH = {
    f'{title} eigh': partial(NORMS_BY_TITLE[title].layer, inverse_sqrt='eigh') for title in ('BW', 'IW', 'SWa', 'SWb')
}

NORMS: dict[str, Callable[[int], nn.Module]] = {
    BASELINE: TABLE['bn'].layer,
    'GroupNorm': TABLE['gn'].layer,
    'InstanceNorm2d': TABLE['in'].layer,
    'LayerNorm': TABLE['ln'].layer,
    **{title: NORMS_BY_TITLE[title].layer for title in _PAPER},
    **_EIGH,
    **{title: partial(SwitchWhiten2d, statistics=NORMS_BY_TITLE[title].statistics) for title in ('BN', 'IN', 'LN')},
}
