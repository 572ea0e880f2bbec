"""Variations of the configs that the adaptation study compares."""

from __future__ import annotations

__all__ = ['VARIATIONS']

# Switches at other rates (the configs' is 100 times the network's; 0 leaves them uniform), other batches, and running
# statistics that both domains move.
VARIATIONS = {
    'switches1': {'mean_logits.lr_mult': 1.0, 'cov_logits.lr_mult': 1.0},
    'switches10': {'mean_logits.lr_mult': 10.0, 'cov_logits.lr_mult': 10.0},
    'uniform': {'mean_logits.lr_mult': 0.0, 'cov_logits.lr_mult': 0.0},
    'batch1': {'batch_size': 1},
    'batch2': {'batch_size': 2},
    'batch4': {'batch_size': 4},  # the configs' is 2
    'both': {'statistics_from': 'both'},
}
