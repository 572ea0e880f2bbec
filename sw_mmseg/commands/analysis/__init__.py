"""Commands that look at data sets, networks and runs, and the studies."""

__all__ = []
