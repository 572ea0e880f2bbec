"""The seam to OpenMMLab: every change to foreign code, in one table (`table.py`), made by `register` alone.

Importing this package, or any other of `sw_mmseg` but `sw_mmseg.plugin`, changes nothing outside.
"""

from sw_mmseg.openmmlab.accumulation import accumulate
from sw_mmseg.openmmlab.change import Change
from sw_mmseg.openmmlab.checkpoints import CheckpointError, load_local_checkpoint, trusting
from sw_mmseg.openmmlab.operators import MissingOperatorError
from sw_mmseg.openmmlab.registration import register, registered, unregister
from sw_mmseg.openmmlab.table import CHANGES

__all__ = [
    'CHANGES',
    'Change',
    'CheckpointError',
    'MissingOperatorError',
    'accumulate',
    'load_local_checkpoint',
    'register',
    'registered',
    'trusting',
    'unregister',
]
