"""Norms in style transfer."""

__all__ = []
