"""Registers everything of `sw_mmseg` with OpenMMLab: the only file imported for its effect.

Configs name it once, in `configs/_base_/runtime.py`:
`custom_imports = dict(imports=['sw_mmseg.plugin'], allow_failed_imports=False)`.

It also serves the few compiled operators that mmdet calls, where mmcv has none (`mmcv_ops.py`): once mmseg is imported,
so that segmentation is what it is without them, unless this mmseg cannot be imported without. And it lets configs build
on the shipped ones by name (`openmmlab/config_paths.py`).
"""

from sw_mmseg.mmcv_ops import import_mmseg, serve

import_mmseg()

from sw_mmseg import adaptation, datasets, engine, losses, models  # noqa: E402
from sw_mmseg.openmmlab.config_paths import serve_configs  # noqa: E402

__all__ = ['adaptation', 'datasets', 'engine', 'losses', 'models']

serve()
serve_configs()
