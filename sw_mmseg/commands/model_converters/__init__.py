"""Commands that convert checkpoints."""

__all__ = []
