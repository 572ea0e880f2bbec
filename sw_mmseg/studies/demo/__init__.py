"""The main job in minutes: networks that fail on a new domain, and what adapts them."""

__all__ = []
