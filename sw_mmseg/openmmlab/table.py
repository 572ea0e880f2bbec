"""The one table of changes to foreign code, in the order in which they are made."""

from __future__ import annotations

from sw_mmseg.openmmlab.accumulation import ACCUMULATION
from sw_mmseg.openmmlab.change import Change
from sw_mmseg.openmmlab.checkpoints import CHECKPOINTS_ARE_DATA
from sw_mmseg.openmmlab.config_paths import CONFIGS_BY_NAME
from sw_mmseg.openmmlab.debug_messages import DEBUG_MESSAGES
from sw_mmseg.openmmlab.efficient_eval import EFFICIENT_EVAL
from sw_mmseg.openmmlab.extension import EXTENSION_CHANGES
from sw_mmseg.openmmlab.flop_counter import FLOP_COUNTER
from sw_mmseg.openmmlab.inferencer import INFERENCER
from sw_mmseg.openmmlab.labelled_pixels import LABELLED_PIXELS
from sw_mmseg.openmmlab.loader_workers import LOADER_WORKERS
from sw_mmseg.openmmlab.sync_batchnorm import SYNC_BATCHNORM
from sw_mmseg.openmmlab.sync_converters import CONVERTERS
from sw_mmseg.openmmlab.whitening_weights import WHITENING_WEIGHTS
from sw_mmseg.openmmlab.whole_files import WHOLE_FILES

__all__ = ['CHANGES']

CHANGES: tuple[Change, ...] = (
    DEBUG_MESSAGES,  # before anything else is imported
    *EXTENSION_CHANGES,  # next: on some installations nothing of mmseg can be imported before them
    CONVERTERS,
    SYNC_BATCHNORM,
    CHECKPOINTS_ARE_DATA,
    WHOLE_FILES,
    WHITENING_WEIGHTS,
    LOADER_WORKERS,
    CONFIGS_BY_NAME,
    ACCUMULATION,
    INFERENCER,
    EFFICIENT_EVAL,
    FLOP_COUNTER,
    LABELLED_PIXELS,
)
