"""The C backend: `backend` (the passes) and `algebra` in Python, `native` which builds and loads the C beside them.

C files: passes.c and blocks.h (over the activation), algebra.c, mixture.h and newton.h (between), vector.h.
"""

__all__ = ['algebra', 'backend', 'native']
