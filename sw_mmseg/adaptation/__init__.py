"""Adaptation methods, one file each: models whose `train_step` is the algorithm; and whose statistics are kept."""

from sw_mmseg.adaptation.adaptsegnet import AdaptSegNet, Level
from sw_mmseg.adaptation.base import DomainAdaptation
from sw_mmseg.adaptation.checkpoints import accept_other_checkpoints, without_wrappers
from sw_mmseg.adaptation.estimate import estimate_statistics
from sw_mmseg.adaptation.statistics import (
    POLICIES,
    DomainStatistics,
    frozen_statistics,
    paused_statistics,
    running_layers,
)

__all__ = [
    'POLICIES',
    'AdaptSegNet',
    'DomainAdaptation',
    'DomainStatistics',
    'Level',
    'accept_other_checkpoints',
    'estimate_statistics',
    'frozen_statistics',
    'paused_statistics',
    'running_layers',
    'without_wrappers',
]
