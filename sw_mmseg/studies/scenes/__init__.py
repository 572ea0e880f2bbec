"""Norms in scene parsing."""

__all__ = []
