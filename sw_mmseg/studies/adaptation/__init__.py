"""Norms × methods of domain adaptation on streets."""

__all__ = []
