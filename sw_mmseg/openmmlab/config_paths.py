"""`_base_ = 'sw_mmseg::sw_pspnet_ade20k.py'`: a config of one's own that builds on a shipped one, by its name.

mmengine reads `PACKAGE::FOLDER/NAME.py` for a closed list of packages and for configs in folders alone, so it refuses
this package by name and its configs by their flat layout. While `serve_configs` is in force, `Config` finds them in
`.mim/configs`, as it finds those of the listed packages. What such a base defines counts as defined in the config
itself: no registry scope is put into it, because everything here is registered with the OpenMMLab packages' own scopes.
Where the configs of the listed packages are is looked up once in a process.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from sw_mmseg.openmmlab.change import Change, Replacements

__all__ = ['CONFIGS', 'CONFIGS_BY_NAME', 'config_file', 'serve_configs', 'withdraw_configs']

CONFIGS = Path(__file__).parents[1] / '.mim' / 'configs'
PREFIX = 'sw_mmseg::'
LOOKUP = '_get_cfg_path'  # of Config: (path of a base, file that names it) -> its path and scope
_ORIGINALS = Replacements()


def config_file(name: str) -> Path:
    """The shipped config of a name, such as `sw_pspnet_ade20k.py` or `_base_/runtime.py`.

    Raises:
        FileNotFoundError: there is none; the text names the nearest ones.
    """
    file = CONFIGS / name
    if file.is_file():
        return file
    names = [path.relative_to(CONFIGS).as_posix() for path in sorted(CONFIGS.rglob('*.py'))]
    near = difflib.get_close_matches(name, names, n=3)
    hint = f'; did you mean {" or ".join(near)}?' if near else f': see {CONFIGS}'
    raise FileNotFoundError(f'sw_mmseg has no config {name}{hint}')


def serve_configs() -> None:
    """Let `Config` find `sw_mmseg::NAME.py`; a second call changes nothing."""
    lookup = getattr(Config, LOOKUP)
    if not hasattr(lookup, 'replaced'):
        _ORIGINALS.replace(Config, LOOKUP, staticmethod(_with_shipped_configs(lookup)))


def withdraw_configs() -> None:
    """Undo `serve_configs`."""
    _ORIGINALS.restore()


def _with_shipped_configs(replaced: Callable) -> Callable:
    def lookup(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return str(config_file(cfg_path.removeprefix(PREFIX))), None
        return listed(cfg_path) if '::' in cfg_path else replaced(cfg_path, filename)

    @functools.cache  # mmengine parses every metafile.yml of the package at each look, half a second
    def listed(cfg_path: str) -> tuple[str, str | None]:
        return replaced(cfg_path, '')

    lookup.replaced = replaced  # type: ignore[attr-defined]
    return lookup


CONFIGS_BY_NAME = Change(
    name='configs by name',
    effect="Config finds a base 'sw_mmseg::NAME.py' among the shipped configs",
    reason='mmengine finds PACKAGE::NAME for a closed list of packages alone',
    package='mmengine',
    versions='0.10',
    apply=serve_configs,
    undo=withdraw_configs,
)
