"""What is timed, and how. Needs torch alone."""

__all__ = []
