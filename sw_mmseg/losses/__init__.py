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
from sw_mmseg.losses.perceptual import PerceptualLoss, gram_matrix, style_loss, total_variation

__all__ = [
    'SOURCE',
    'TARGET',
    'AdversarialLoss',
    'EntropyLoss',
    'PerceptualLoss',
    'domain_accuracy',
    'gram_matrix',
    'least_squares_adversarial',
    'normalised_entropy',
    'style_loss',
    'total_variation',
    'vanilla_adversarial',
    'weighted_self_information',
]
