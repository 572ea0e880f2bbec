"""Commands that make data sets."""

__all__ = []
