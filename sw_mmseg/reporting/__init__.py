"""Finished runs of any task as one self-contained HTML page."""

__all__ = []
