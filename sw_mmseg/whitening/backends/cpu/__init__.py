"""The C backend: `backend` (the passes) and `algebra` in Python, `build` and
`library`, which build and load the C beside them.

C files: passes.c and blocks.h (over the activation), algebra.c, mixture.h and newton.h (between), vector.h.
"""

__all__ = ['algebra', 'backend', 'build', 'library']
