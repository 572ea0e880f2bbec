"""Where the shipped configs lie, and the documents of a checkout that studies fill.

An installed package has its configs in `.mim/`, as OpenMMLab's own packages do; a checkout has them beside the package.
"""

from __future__ import annotations

from pathlib import Path

import sw_mmseg

__all__ = ['CONFIGS', 'DOCS', 'PACKAGE', 'REPOSITORY', 'WORK_DIRS', 'default_work_dir', 'shipped_config']

PACKAGE = Path(sw_mmseg.__file__).resolve().parent
REPOSITORY = PACKAGE.parent  # of a checkout
CONFIGS = REPOSITORY / 'configs' if (REPOSITORY / 'configs' / '_base_').is_dir() else PACKAGE / '.mim' / 'configs'
DOCS = REPOSITORY / 'docs'
WORK_DIRS = Path('work_dirs')


def shipped_config(path: str | Path) -> Path:
    """The shipped config of that name, given as `NAME`, `NAME.py` or `configs/NAME.py`; it need not be there."""
    return CONFIGS / f'{Path(path).stem}.py'


def default_work_dir(config: Path) -> Path:
    """Where a config's runs go if nothing is said; two configs never share one.

    work_dirs/NAME of a shipped config, and of one that lies here and is called like none of them; of any other config
    its path, below work_dirs. A config in work_dirs has its runs beside it.
    """
    config, here = config.resolve().with_suffix(''), Path.cwd().resolve()
    if config.parent == CONFIGS.resolve():
        return WORK_DIRS / config.name
    inside = config.is_relative_to(here)
    parts = config.relative_to(here).parts if inside else config.parts[1:]
    if parts[0] == WORK_DIRS.name and inside:
        return Path(*parts)
    twin = (here / WORK_DIRS).joinpath(*parts).with_suffix('.py')
    if twin.is_file():
        parts = config.parts[1:]
    elif len(parts) == 1 and shipped_config(parts[0]).is_file():
        parts = here.name, *parts
    return WORK_DIRS.joinpath(*parts)
