"""Registers everything of `sw_mmseg` with OpenMMLab: the only file imported for its effect.

Configs name it once, in `configs/_base_/runtime.py`:
`custom_imports = dict(imports=['sw_mmseg.plugin'], allow_failed_imports=False)`.
"""

from sw_mmseg import adaptation, datasets, engine, losses, models

__all__ = ['adaptation', 'datasets', 'engine', 'losses', 'models']
