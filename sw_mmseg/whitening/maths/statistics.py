"""The words of Ω, and which quantities each of them needs (Section 3.1 of the paper).

word  mean taken over         covariance          name of the norm when it stands alone
bw    batch and pixels        full matrix         Batch Whitening
iw    pixels of one image     full matrix         Instance Whitening
bn    batch and pixels        its diagonal        Batch Normalization
in    pixels of one image     its diagonal        Instance Normalization
ln    channels and pixels     one scalar          Layer Normalization
"""

from collections.abc import Iterable

__all__ = ['BATCH', 'INSTANCE', 'STATISTICS', 'WHITENING', 'validate_statistics']

STATISTICS = ('bw', 'iw', 'bn', 'in', 'ln')
"""Every word that Ω may hold."""
WHITENING = frozenset({'bw', 'iw'})  # need the whole covariance matrix
BATCH = frozenset({'bw', 'bn'})  # need running statistics for evaluation
INSTANCE = frozenset({'iw', 'in', 'ln'})  # belong to one image, in training and in evaluation


def validate_statistics(statistics: Iterable[str]) -> tuple[str, ...]:
    """The words as a tuple, in the order given. Raises `ValueError` for an empty, unknown or repeated word."""
    if isinstance(statistics, str):
        raise ValueError(f"statistics must be a sequence of words, such as ('{statistics}',), not a string")
    if isinstance(statistics, bool):  # where torch's norms have track_running_stats
        raise ValueError(
            f"statistics must be a sequence of words, such as ('bw', 'iw'), got {statistics}: give "
            'track_running_stats by its name'
        )
    words = tuple(statistics)
    unknown = [word for word in words if word not in STATISTICS]
    if unknown or not words:
        fault = f'unknown statistics {unknown}' if unknown else 'statistics is empty'
        raise ValueError(f'{fault}: choose one or more of {list(STATISTICS)}')
    if len(set(words)) != len(words):
        raise ValueError(f'statistics {list(words)} names a word twice')
    return words
