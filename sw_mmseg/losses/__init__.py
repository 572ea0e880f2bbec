"""Losses: pure functions, each with a thin registered module."""

from sw_mmseg.losses.adversarial import (
    SOURCE,
    TARGET,
    AdversarialLoss,
    domain_accuracy,
    least_squares_adversarial,
    vanilla_adversarial,
)
from sw_mmseg.losses.entropy import EntropyLoss, normalised_entropy, weighted_self_information
from sw_mmseg.losses.instance_selective import (
    instance_covariances,
    selective_whitening,
    sensitive_entries,
    variance_between_views,
)
from sw_mmseg.losses.perceptual import PerceptualLoss, gram_matrix, style_loss, total_variation

__all__ = [
    'SOURCE',
    'TARGET',
    'AdversarialLoss',
    'EntropyLoss',
    'PerceptualLoss',
    'domain_accuracy',
    'gram_matrix',
    'instance_covariances',
    'least_squares_adversarial',
    'normalised_entropy',
    'selective_whitening',
    'sensitive_entries',
    'style_loss',
    'total_variation',
    'vanilla_adversarial',
    'variance_between_views',
    'weighted_self_information',
]
