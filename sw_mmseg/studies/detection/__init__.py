"""Norms in instance segmentation."""

__all__ = []
