"""Switchable Whitening in pure torch, usable alone: `SwitchWhiten2d` in place of `torch.nn.BatchNorm2d`.

Shapes in this package: N samples, C channels, H×W or * pixels; C = G·D, with G groups of D channels; L pixels a sample.

Reading order: `maths` (the equations, forward and backward), `autograd` (over a whole layer, with a gradient), `layer`
and `presets`, which is all of it in torch; then `backends`, which make it fast; then what uses it: `conversion` and
`placement` (into a model), `diagnosis` (does it whiten?), `folding` (into a convolution), `inference`
(in a graph), `checkpoint`, `counting`.
"""

from .autograd import switch_whiten
from .backends import choose_backend, using_backend
from .conversion import convert, convert_sync_batchnorm, largest_group_size, replace_norm
from .diagnosis import Diagnosis
from .folding import FoldReport, fold, fold_into, fold_model
from .inference import for_inference
from .layer import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d
from .maths import STATISTICS
from .norm_table import NORMS, NORMS_BY_TITLE, Norm
from .placement import Site, convolution_sites, describe, every, place_norm
from .presets import PRESETS, BatchWhiten2d, FullSwitchWhiten2d, InstanceWhiten2d, SwitchNorm2d

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
    'Site',
    'SwitchNorm2d',
    'SwitchWhiten1d',
    'SwitchWhiten2d',
    'SwitchWhiten3d',
    'choose_backend',
    'convert',
    'convert_sync_batchnorm',
    'convolution_sites',
    'describe',
    'every',
    'fold',
    'fold_into',
    'fold_model',
    'for_inference',
    'largest_group_size',
    'place_norm',
    'replace_norm',
    'switch_whiten',
    'using_backend',
]
