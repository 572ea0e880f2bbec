"""Commands that time."""

__all__ = []
