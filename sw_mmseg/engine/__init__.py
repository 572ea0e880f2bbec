"""Optimisers of two-player training, and hooks: health, importance ratios, pictures, progress, interruption."""

from sw_mmseg.engine.health import DiscriminatorHealthHook, NonFiniteLossError
from sw_mmseg.engine.interrupt import InterruptHook
from sw_mmseg.engine.optimizers import DomainOptimWrapperConstructor, DomainOptimWrappers
from sw_mmseg.engine.pictures import SamplePicturesHook
from sw_mmseg.engine.progress import ProgressHook
from sw_mmseg.engine.ratios import ImportanceRatioHook, importance_ratios

__all__ = [
    'DiscriminatorHealthHook',
    'DomainOptimWrapperConstructor',
    'DomainOptimWrappers',
    'ImportanceRatioHook',
    'InterruptHook',
    'NonFiniteLossError',
    'ProgressHook',
    'SamplePicturesHook',
    'importance_ratios',
]
