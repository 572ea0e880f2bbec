"""The Triton backend: `backend` (the passes) over the kernels of `passes` and `tiles`, `algebra` over those of
`mix_to_affine`, `mix_to_affine_backward` and `newton`; `launch` starts them.

Nothing is imported here: Triton is not everywhere.
"""

__all__ = ['algebra', 'backend', 'launch', 'mix_to_affine', 'mix_to_affine_backward', 'newton', 'passes', 'tiles']
