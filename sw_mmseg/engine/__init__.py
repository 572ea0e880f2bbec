"""Optimisers of two-player training, half precision, sharding, class IoU; hooks: health, ratios, pictures, progress,
CUDA graphs.
"""

from sw_mmseg.engine.bfloat16 import Bfloat16OptimWrapper
from sw_mmseg.engine.class_iou import ClassIoUMetric
from sw_mmseg.engine.cuda_graph import CUDAGraphHook
from sw_mmseg.engine.freeze_ratios import FreezeRatiosHook
from sw_mmseg.engine.health import DiscriminatorHealthHook, HealthHook, NonFiniteLossError
from sw_mmseg.engine.interrupt import InterruptHook
from sw_mmseg.engine.memory_format import ChannelsLastHook
from sw_mmseg.engine.optimizers import DomainOptimWrapperConstructor, DomainOptimWrappers
from sw_mmseg.engine.pictures import SamplePicturesHook
from sw_mmseg.engine.prediction_health import PredictionHealthHook
from sw_mmseg.engine.progress import ProgressHook
from sw_mmseg.engine.pseudo_accuracy import PseudoLabelAccuracyHook
from sw_mmseg.engine.pseudo_label_files import PseudoLabelFiles
from sw_mmseg.engine.pseudo_label_rounds import PseudoLabelRoundsHook
from sw_mmseg.engine.ratios import ImportanceRatioHook, importance_ratios
from sw_mmseg.engine.repeated_steps import AdaptSegNetConstructor, RepeatedSGD
from sw_mmseg.engine.safe_checkpoints import SafeCheckpointHook
from sw_mmseg.engine.self_training_health import SelfTrainingHealthHook
from sw_mmseg.engine.sharded import ShardedRunner

__all__ = [
    'AdaptSegNetConstructor',
    'Bfloat16OptimWrapper',
    'CUDAGraphHook',
    'ChannelsLastHook',
    'ClassIoUMetric',
    'DiscriminatorHealthHook',
    'DomainOptimWrapperConstructor',
    'DomainOptimWrappers',
    'FreezeRatiosHook',
    'HealthHook',
    'ImportanceRatioHook',
    'InterruptHook',
    'NonFiniteLossError',
    'PredictionHealthHook',
    'ProgressHook',
    'PseudoLabelAccuracyHook',
    'PseudoLabelFiles',
    'PseudoLabelRoundsHook',
    'RepeatedSGD',
    'SafeCheckpointHook',
    'SamplePicturesHook',
    'SelfTrainingHealthHook',
    'ShardedRunner',
    'importance_ratios',
]
