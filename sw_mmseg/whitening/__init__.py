"""Switchable Whitening in pure torch, usable alone: `SwitchWhiten2d` in place of `torch.nn.BatchNorm2d`.

Shapes in this package: N samples, C channels, H×W or * pixels; C = G·D, with G groups of D channels; L pixels a sample.
Reading order: statistics, moments, mixture, inverse_sqrt, algebra, function, layer, which is the whole in torch; then
kernels and operators, which make it fast; presets, replace, convert, diagnose, fold, released, which use it.
"""

from .convert import Site, convert_sync_batchnorm, convolution_sites, describe, every, place_norm
from .diagnose import Diagnosis
from .fold import FoldReport, fold, fold_into, fold_model
from .function import switch_whiten
from .layer import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d
from .norm_table import NORMS, NORMS_BY_TITLE, Norm
from .presets import PRESETS, BatchWhiten2d, FullSwitchWhiten2d, InstanceWhiten2d, SwitchNorm2d
from .released import ReleasedError, convert_released, released_norms
from .replace import convert, replace_norm
from .statistics import STATISTICS

__all__ = [
    'NORMS',
    'NORMS_BY_TITLE',
    'PRESETS',
    'STATISTICS',
    'BatchWhiten2d',
    'Diagnosis',
    'FoldReport',
    'FullSwitchWhiten2d',
    'InstanceWhiten2d',
    'Norm',
    'ReleasedError',
    'Site',
    'SwitchNorm2d',
    'SwitchWhiten1d',
    'SwitchWhiten2d',
    'SwitchWhiten3d',
    'convert',
    'convert_released',
    'convert_sync_batchnorm',
    'convolution_sites',
    'describe',
    'every',
    'fold',
    'fold_into',
    'fold_model',
    'place_norm',
    'released_norms',
    'replace_norm',
    'switch_whiten',
]
