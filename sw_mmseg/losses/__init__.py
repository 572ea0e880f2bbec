"""Losses: pure functions, each with a thin registered module."""

from sw_mmseg.losses.adversarial import (
    SOURCE,
    TARGET,
    AdversarialLoss,
    domain_accuracy,
    least_squares_adversarial,
    vanilla_adversarial,
)

__all__ = [
    'SOURCE',
    'TARGET',
    'AdversarialLoss',
    'domain_accuracy',
    'least_squares_adversarial',
    'vanilla_adversarial',
]
