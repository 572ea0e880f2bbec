"""SW in the registry where `BN` lives, mmengine's root, so that `norm_cfg=dict(type='SW')` works in every scope.

Attributes keep BatchNorm's names (bn1, bn2, …), since the layer is a `_BatchNorm`: checkpoints of either load into the
other's place. mmengine's and torch's converters to SyncBN replace every `_BatchNorm`; here both are told to leave SW
alone, which synchronises by itself.
"""

import functools
from collections.abc import Callable

import mmengine._strategy.distributed
import mmengine.model
import mmengine.runner.runner
from mmengine.registry import MODELS
from torch import nn

from sw_mmseg.models.instance_batch_norm import InstanceBatchNorm2d
from sw_mmseg.whitening import NORMS as TABLE
from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d, convert_sync_batchnorm

__all__ = ['NORMS', 'protect_from_sync_conversion']

NORMS = {
    **{norm.type: norm.layer for norm in TABLE.values() if norm.switchable},  # SW, SWb, SN, BW, IW
    'SWa': SwitchWhiten2d,
    'SW1d': SwitchWhiten1d,
    'SW2d': SwitchWhiten2d,
    'SW3d': SwitchWhiten3d,
    'IBN': InstanceBatchNorm2d,
}
for _name, _norm in NORMS.items():
    MODELS.register_module(_name, module=_norm, force=True)


def protect_from_sync_conversion() -> None:
    """Makes torch's and mmengine's SyncBN converters skip SW layers. Calling it again changes nothing."""
    own = nn.SyncBatchNorm.convert_sync_batchnorm
    if not hasattr(own, 'skips_switch_whitening'):
        nn.SyncBatchNorm.convert_sync_batchnorm = staticmethod(_skipping(own))
    holders = (mmengine.model, mmengine.model.utils, mmengine.runner.runner, mmengine._strategy.distributed)
    for module in holders:
        if not hasattr(module.convert_sync_batchnorm, 'skips_switch_whitening'):
            module.convert_sync_batchnorm = _skipping(module.convert_sync_batchnorm)


def _skipping(convert: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    @functools.wraps(convert)
    def wrapper(module: nn.Module, *args, **kwargs) -> nn.Module:
        return convert_sync_batchnorm(module, convert=lambda rest: convert(rest, *args, **kwargs))

    wrapper.skips_switch_whitening = True
    return wrapper


protect_from_sync_conversion()
