"""What keeps a machine, data or a checkpoint from working, found before any training, and the way out."""

__all__ = []
