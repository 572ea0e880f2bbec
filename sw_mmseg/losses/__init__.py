"""Losses: pure functions, each with a thin registered module."""

from sw_mmseg.losses.adversarial import (
    SOURCE,
    TARGET,
    AdversarialLoss,
    domain_accuracy,
    least_squares_adversarial,
    vanilla_adversarial,
)
from sw_mmseg.losses.perceptual import PerceptualLoss, gram_matrix, style_loss, total_variation

__all__ = [
    'SOURCE',
    'TARGET',
    'AdversarialLoss',
    'PerceptualLoss',
    'domain_accuracy',
    'gram_matrix',
    'least_squares_adversarial',
    'style_loss',
    'total_variation',
    'vanilla_adversarial',
]
