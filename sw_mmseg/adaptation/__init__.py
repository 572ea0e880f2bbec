"""Adaptation methods, one file each: models whose `train_step` is the algorithm; and whose statistics are kept."""

from sw_mmseg.adaptation.adaptsegnet import AdaptSegNet, AdversarialLevel, AdversarialLog
from sw_mmseg.adaptation.advent import AdvEnt
from sw_mmseg.adaptation.base import DomainAdaptation
from sw_mmseg.adaptation.cbst import ClassBalancedSelfTraining
from sw_mmseg.adaptation.cbst_log import ClassBalancedLog, PseudoLabelError
from sw_mmseg.adaptation.checkpoints import accept_other_checkpoints, without_wrappers
from sw_mmseg.adaptation.entropy import EntropyLevel, EntropyLog, EntropyMinimization
from sw_mmseg.adaptation.estimate import estimate_statistics
from sw_mmseg.adaptation.estimate_switches import DisturbedSource, estimate_switches
from sw_mmseg.adaptation.feature_distance import FeatureDistance
from sw_mmseg.adaptation.instance_selective import InstanceSelectiveWhitening, WhiteningLog
from sw_mmseg.adaptation.levels import Level, LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.masking import Masking
from sw_mmseg.adaptation.self_training import SelfTraining
from sw_mmseg.adaptation.self_training_log import SelfTrainingLog
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.source_free import SourceFreeLog, SourceFreeSelfTraining
from sw_mmseg.adaptation.statistics import (
    POLICIES,
    DomainStatistics,
    frozen_statistics,
    paused_statistics,
    running_layers,
)
from sw_mmseg.adaptation.step_log import LevelLog, StepLog, TargetLog
from sw_mmseg.adaptation.teacher import MeanTeacher

__all__ = [
    'POLICIES',
    'AdaptSegNet',
    'AdaptationSettings',
    'AdvEnt',
    'AdversarialLevel',
    'AdversarialLog',
    'ClassBalancedLog',
    'ClassBalancedSelfTraining',
    'DisturbedSource',
    'DomainAdaptation',
    'DomainStatistics',
    'EntropyLevel',
    'EntropyLog',
    'EntropyMinimization',
    'FeatureDistance',
    'InstanceSelectiveWhitening',
    'Level',
    'LevelLog',
    'LevelLosses',
    'Masking',
    'MeanTeacher',
    'MultiLevelAdaptation',
    'PseudoLabelError',
    'SelfTraining',
    'SelfTrainingLog',
    'SourceFreeLog',
    'SourceFreeSelfTraining',
    'StepLog',
    'TargetLog',
    'WhiteningLog',
    'accept_other_checkpoints',
    'estimate_statistics',
    'estimate_switches',
    'frozen_statistics',
    'paused_statistics',
    'running_layers',
    'without_wrappers',
]
