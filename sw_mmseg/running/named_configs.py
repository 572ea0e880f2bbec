"""Shipped configs by name, NORM_METHOD_DATA: a file of that name, or another norm or network in a file that is there.

    sw_pspnet_streets           configs/sw_pspnet_streets.py
    sn_pspnet_streets           configs/bn_pspnet_streets.py --norm sn
    sn_fda101_gta2cityscapes    configs/bn_fda_gta2cityscapes.py --network resnet101 --norm sn

Studies call networks and results by such names, whether or not a file has them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from sw_mmseg.running.errors import UserError
from sw_mmseg.running.networks import NETWORKS, STRONG, NetworkError, name_with_network, network_of, set_network
from sw_mmseg.running.norms import name_with_norm, set_norm
from sw_mmseg.running.paths import CONFIGS, shipped_config
from sw_mmseg.whitening import NORMS

__all__ = ['NamedConfig', 'find_named', 'load_named', 'nearest', 'option_words', 'with_network', 'with_norm']

BASES = ('bn', 'syncbn', 'sw')  # first words of the files in which another norm is put


class NamedConfig(NamedTuple):
    """A file of configs/, the norm to put at its sites and the network to train; None for the file's."""

    file: Path
    norm: str | None
    network: str | None = None

    @property
    def path(self) -> str:
        """'configs/bn_pspnet_streets.py', as command lines name it."""
        return f'configs/{self.file.name}'

    @property
    def words(self) -> str:
        """What a command line says: 'configs/bn_pspnet_streets.py --norm sn'."""
        return self.path + option_words(self.network, self.norm)


def find_named(name: str) -> NamedConfig:
    """The file, and the norm and network in it, of a name, with or without folder and suffix.

    Raises:
        UserError: no file has the name, or has it with another norm; the nearest names are told.
    """
    file = shipped_config(name)
    named = _with_other_norms(file.stem)
    if named is not None:
        return named
    for other, network in _with_other_networks(file.stem):
        named = _with_other_norms(other)
        if named is not None and _takes_networks(named.file):
            return named._replace(network=network)
    hint = nearest(file.stem) or ': give the path of a config, in configs/ or of your own'
    raise UserError(f'no config {name}{hint}')


def nearest(name: str) -> str:
    """'; did you mean configs/…?' for a name without folder and suffix that no file has; '' where none is near."""
    near = difflib.get_close_matches(f'{name}.py', [path.name for path in CONFIGS.glob('*.py')], n=3)
    return f'; did you mean {" or ".join(f"configs/{other}" for other in near)}?' if near else ''


def load_named(name: str) -> Config:
    """The config of a name, with its network and its norm at the sites.

    Raises:
        UserError: see `find_named`.
    """
    named = find_named(name)
    config = Config.fromfile(named.file)
    if named.network is not None:
        config = with_network(config, named.network)
    return config if named.norm is None else with_norm(config, named.norm)


def with_norm(config: Config, norm: str) -> Config:
    """A config with a norm of the table at its sites, called what a file of it would be called.

    Raises:
        NormError: no such norm, or a network without sites.
    """
    return _renamed(set_norm(config, norm), name_with_norm(config.filename, norm))


def with_network(config: Config, network: str) -> Config:
    """A config with another network of the table, called what a file of it would be called; its own changes nothing.

    Raises:
        NetworkError: no such network, or the config's cannot be replaced.
    """
    if network == network_of(config):
        return config
    return _renamed(set_network(config, network), name_with_network(config.filename, network))


def option_words(network: str | None, norm: str | None) -> str:
    """`--network NETWORK --norm NORM` as words of a command line, a space before each; without what is None."""
    return ''.join(f' --{name} {value}' for name, value in (('network', network), ('norm', norm)) if value is not None)


def _renamed(config: Config, name: str) -> Config:
    return Config(
        {key: config[key] for key in config},
        cfg_text=config.text,
        filename=str(Path(config.filename).with_name(f'{name}.py')),
    )


def _with_other_norms(name: str) -> NamedConfig | None:
    """The file of a name, or one of the same name but for the norm; None where there is neither."""
    if shipped_config(name).is_file():
        return NamedConfig(shipped_config(name), None)
    norm, _, ending = name.partition('_')
    bases = [shipped_config(f'{base}_{ending}') for base in BASES if norm in NORMS]
    return next((NamedConfig(base, norm) for base in bases if base.is_file()), None)


def _with_other_networks(name: str) -> Iterator[tuple[str, str]]:
    """Names that, with a network of the table put in, are called `name`; and the network."""
    norm, *words = name.split('_')
    for network in (*NETWORKS.values(), *STRONG.values()):
        if len(words) > 1 and words[0].endswith(network.suffix):
            yield '_'.join([norm, words[0].removesuffix(network.suffix), *words[1:]]), network.word


def _takes_networks(file: Path) -> bool:
    try:
        network_of(Config.fromfile(file))
    except NetworkError:
        return False
    return True
