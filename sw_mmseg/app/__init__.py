"""The page to play with: networks side by side on an image of one's own, what whitening does, and style transfer."""

__all__ = []
