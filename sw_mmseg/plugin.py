"""Registers everything of `sw_mmseg` with OpenMMLab: the only file imported for its effect.

Configs name it once, in `configs/_base_/runtime.py`:
`custom_imports = dict(imports=['sw_mmseg.plugin'], allow_failed_imports=False)`.

The changes to foreign code come first, since on some installations mmseg cannot be imported without them; they stand in
one table, `openmmlab/table.py`. The packages then register their classes under their own names.
"""

from sw_mmseg import openmmlab

openmmlab.register()

from sw_mmseg import adaptation, datasets, engine, losses, models  # noqa: E402

__all__ = ['adaptation', 'datasets', 'engine', 'losses', 'models']
