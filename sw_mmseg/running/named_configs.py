"""Shipped configs by name, NORM_METHOD_DATA: a file of that name, or another norm in a file that is there.

    sw_pspnet_streets    configs/sw_pspnet_streets.py
    sn_pspnet_streets    configs/bn_pspnet_streets.py --norm sn

Studies call networks and results by such names, whether or not a file has them.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from sw_mmseg.running.errors import UserError
from sw_mmseg.running.norms import name_with_norm, set_norm
from sw_mmseg.running.paths import CONFIGS, shipped_config
from sw_mmseg.whitening import NORMS

__all__ = ['NamedConfig', 'find_named', 'load_named', 'nearest', 'with_norm']

BASES = ('bn', 'syncbn', 'sw')  # first words of the files in which another norm is put


class NamedConfig(NamedTuple):
    """A file of configs/ and the norm to put at its sites; None for the file's."""

    file: Path
    norm: str | None

    @property
    def path(self) -> str:
        """'configs/bn_pspnet_streets.py', as command lines name it."""
        return f'configs/{self.file.name}'

    @property
    def words(self) -> str:
        """What a command line says: 'configs/bn_pspnet_streets.py --norm sn'."""
        return self.path if self.norm is None else f'{self.path} --norm {self.norm}'


def find_named(name: str) -> NamedConfig:
    """The file, and the norm in it, of a name, with or without folder and suffix.

    Raises:
        UserError: no file has the name, or has it with another norm; the nearest names are told.
    """
    file = shipped_config(name)
    if file.is_file():
        return NamedConfig(file, None)
    norm, _, network = file.stem.partition('_')
    bases = [shipped_config(f'{base}_{network}') for base in BASES]
    for base in bases:
        if norm in NORMS and base.is_file():
            return NamedConfig(base, norm)
    raise UserError(f'no config {name}{nearest(file.stem) or ": give the path of a file in configs/"}')


def nearest(name: str) -> str:
    """'; did you mean configs/…?' for a name without folder and suffix that no file has; '' where none is near."""
    near = difflib.get_close_matches(f'{name}.py', [path.name for path in CONFIGS.glob('*.py')], n=3)
    return f'; did you mean {" or ".join(f"configs/{other}" for other in near)}?' if near else ''


def load_named(name: str) -> Config:
    """The config of a name, with its norm at the sites.

    Raises:
        UserError: see `find_named`.
    """
    named = find_named(name)
    config = Config.fromfile(named.file)
    return config if named.norm is None else with_norm(config, named.norm)


def with_norm(config: Config, norm: str) -> Config:
    """A config with a norm of the table at its sites, called what a file of it would be called.

    Raises:
        NormError: no such norm, or a network without sites.
    """
    set_norm(config, norm)
    file = Path(config.filename)
    return Config({key: config[key] for key in config}, cfg_text=config.text,
                  filename=str(file.with_name(f'{name_with_norm(file, norm)}.py')))
