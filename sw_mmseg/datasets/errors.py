"""The one error of this package: something about the files, the folders or the ids is not as it must be."""

__all__ = ['DatasetError']


class DatasetError(RuntimeError):
    """Says which path or value is wrong, what was expected, and what to do about it."""
