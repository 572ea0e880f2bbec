"""Norms in classification."""

__all__ = []
