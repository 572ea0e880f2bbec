"""What was measured for the documents: one folder a study, and the demo."""

__all__ = []
