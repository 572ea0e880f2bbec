"""The mathematics of Switchable Whitening: pure functions on tensors, forward and backward, written by hand.

Reading order: statistics (the words of Ω), moments (Equations 2 and 3), mixture (Equation 6), inverse_sqrt (Equations 4
and 7), algebra (all of these together, between the two passes over the activation). Nothing here knows of layers,
autograd or devices.
"""

from .algebra import (
    Affine,
    Gradients,
    Parameters,
    in_memory,
    input_matrices,
    mix_to_affine,
    mix_to_affine_backward,
    pool,
    sources,
)
from .inverse_sqrt import INVERSE_SQRT, inverse_sqrt, inverse_sqrt_backward
from .mixture import mix, mixture_backward, sample_backward
from .moments import Moments, as_slices, compute_dtype, dense, like, memory_format, moments_backward, pool_moments
from .settings import Settings
from .statistics import BATCH, INSTANCE, STATISTICS, WHITENING, validate_statistics

__all__ = [
    'BATCH',
    'INSTANCE',
    'INVERSE_SQRT',
    'STATISTICS',
    'WHITENING',
    'Affine',
    'Gradients',
    'Moments',
    'Parameters',
    'Settings',
    'as_slices',
    'compute_dtype',
    'dense',
    'in_memory',
    'input_matrices',
    'inverse_sqrt',
    'inverse_sqrt_backward',
    'like',
    'memory_format',
    'mix',
    'mix_to_affine',
    'mix_to_affine_backward',
    'mixture_backward',
    'moments_backward',
    'pool',
    'pool_moments',
    'sample_backward',
    'sources',
    'validate_statistics',
]
