"""The methods of adaptation, by the word that names of configs have: one table for commands, reports and studies."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ['METHODS', 'SOURCE_ONLY', 'STATISTICS', 'Method']

SOURCE_ONLY, STATISTICS = 'sourceonly', 'statistics'


class Method(NamedTuple):
    """`title` names it in reports, `row` in the tables of the study, which tell more; `description` completes
    'a network that …'."""

    title: str
    row: str
    description: str


METHODS = {
    SOURCE_ONLY: Method('source only', 'source only', 'learns from the source alone'),
    STATISTICS: Method(
        'source only + target statistics',
        'source only, target statistics',
        'learns from the source alone, then takes running statistics of the target; no training on it',
    ),
    'jitter': Method(
        'source only, jitter',
        'source only, jitter',
        'learns from the source alone, its light and colours disturbed at random',
    ),
    'isw': Method(
        'ISW', 'source only, ISW', 'learns from the source alone, its style-sensitive covariances suppressed'
    ),
    'adaptsegnet': Method('AdaptSegNet', 'AdaptSegNet', 'adversarial: predictions on both domains shall look alike'),
    'minent': Method('MinEnt', 'entropy minimisation', 'predictions on the target shall be sure'),
    'fda': Method('FDA', 'Fourier exchange, entropy (FDA)', "learns from source images in the target's colours"),
    'advent': Method('AdvEnt', 'AdvEnt', 'adversarial on entropy maps'),
    'dacs': Method('DACS', 'self-training (DACS)', 'self-training with a mean teacher and mixed images'),
    'mic': Method('MIC', 'DACS + masked images (MIC)', 'the same as dacs, and masked images'),
    'cbst': Method(
        'CBST', 'class-balanced self-training (CBST)', 'self-training in rounds, on the surest share of each class'
    ),
    'oracle': Method('target labels', 'target labels (oracle)', 'learns from the labels of the target: a ceiling'),
}
