"""Where the shipped configs lie, and the documents of a checkout that studies fill.

An installed package has its configs in `.mim/`, as OpenMMLab's own packages do; a checkout has them beside the package.
"""

from __future__ import annotations

from pathlib import Path

import sw_mmseg

__all__ = ['CONFIGS', 'DOCS', 'REPOSITORY', 'shipped_config']

PACKAGE = Path(sw_mmseg.__file__).resolve().parent
REPOSITORY = PACKAGE.parent  # of a checkout
CONFIGS = REPOSITORY / 'configs' if (REPOSITORY / 'configs' / '_base_').is_dir() else PACKAGE / '.mim' / 'configs'
DOCS = REPOSITORY / 'docs'


def shipped_config(path: str | Path) -> Path:
    """The shipped config of that name, given as `NAME`, `NAME.py` or `configs/NAME.py`; it need not be there."""
    return CONFIGS / f'{Path(path).stem}.py'
