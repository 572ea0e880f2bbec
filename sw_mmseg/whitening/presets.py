"""Ω by name: the norms that the paper compares are one layer with different statistics (Section 3.1).

`FullSwitchWhiten2d` is the paper's SWb, `SwitchNorm2d` Luo et al.'s SN, `BatchWhiten2d` decorrelated BN,
`InstanceWhiten2d` the whitening of style transfer. Each takes the arguments of `SwitchWhiten2d`, whose Ω is SWa's.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # these two are direct bases again, as in `layer`

from .layer import SwitchWhiten2d

__all__ = ['PRESETS', 'BatchWhiten2d', 'FullSwitchWhiten2d', 'InstanceWhiten2d', 'SwitchNorm2d']

PRESETS = {
    'SWa': ('bw', 'iw'),
    'SWb': ('bw', 'iw', 'bn', 'in', 'ln'),
    'SN': ('bn', 'in', 'ln'),
    'BW': ('bw',),
    'IW': ('iw',),
    'BN': ('bn',),
    'IN': ('in',),
    'LN': ('ln',),
}
"""The paper's name of a norm -> Ω, the words of its statistics."""


class FullSwitchWhiten2d(SwitchWhiten2d, nn.BatchNorm2d, _BatchNorm):
    """SWb: Ω = {bw, iw, bn, in, ln}."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        statistics: Sequence[str] = PRESETS['SWb'],
        **options: Any,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, statistics, **options)


class SwitchNorm2d(SwitchWhiten2d, nn.BatchNorm2d, _BatchNorm):
    """SN: Ω = {bn, in, ln}."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        statistics: Sequence[str] = PRESETS['SN'],
        **options: Any,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, statistics, **options)


class BatchWhiten2d(SwitchWhiten2d, nn.BatchNorm2d, _BatchNorm):
    """BW: Ω = {bw}."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        statistics: Sequence[str] = PRESETS['BW'],
        **options: Any,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, statistics, **options)


class InstanceWhiten2d(SwitchWhiten2d, nn.BatchNorm2d, _BatchNorm):
    """IW: Ω = {iw}."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        statistics: Sequence[str] = PRESETS['IW'],
        **options: Any,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, statistics, **options)
