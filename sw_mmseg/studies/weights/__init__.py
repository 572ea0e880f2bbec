"""The weights that come with the package: how they are trained, packed and measured."""

__all__ = []
