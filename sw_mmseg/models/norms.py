"""SW in the registry where `BN` lives, mmengine's root, so that `norm_cfg=dict(type='SW')` works in every scope.

Attributes keep BatchNorm's names (bn1, bn2, …), since the layer is a `_BatchNorm`: checkpoints of either load into the
other's place.
"""

from __future__ import annotations

from mmengine.registry import MODELS

from sw_mmseg.models.instance_batch_norm import InstanceBatchNorm2d
from sw_mmseg.whitening import NORMS as TABLE
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = ['NORMS']

# the one place where the names that configs use for norms come from
NORMS = {
    **{norm.type: norm.layer for norm in TABLE.values() if norm.switchable},  # SW, SWb, SN, BW, IW
    'SWa': SwitchWhiten2d,
    'SW1d': SwitchWhiten1d,
    'SW2d': SwitchWhiten2d,
    'SW3d': SwitchWhiten3d,
    'IBN': InstanceBatchNorm2d,
}
for _name, _norm in NORMS.items():
    MODELS.register_module(_name, module=_norm)
