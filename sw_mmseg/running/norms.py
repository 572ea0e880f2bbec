"""The norm at a network's sites: set in the config of any task by one word, and read back.

A site is a place where the paper replaces BN (Section 4, Appendix B). Which entry of a config says what stands there
depends on the network, and each has one:

    VGG16DeepLab, StyleNetwork    `norm_cfg`
    SwitchSites                   `site_norm_cfg`; without it the sites keep the norm of the whole network, `norm_cfg`
    Mask R-CNN (Table 7)          BN, SyncBN, GN, LN and SN stand at every norm, in FPN and heads too; every other norm
                                  stands at the sites alone, with SyncBN elsewhere

`norm`, a variable at the top of a config, repeats that entry for readers and is kept in step.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from sw_mmseg.running.config_nodes import config_dicts
from sw_mmseg.running.errors import UserError
from sw_mmseg.whitening import NORMS, Norm

__all__ = ['NormError', 'find_norm', 'name_with_norm', 'norm_entry', 'norm_of', 'put_norm', 'set_norm']

WHOLE = ('VGG16DeepLab', 'StyleNetwork')  # their `norm_cfg` is of the sites
SITES = 'SwitchSites'
EVERYWHERE = ('bn', 'syncbn', 'gn', 'ln', 'sn')  # in a Mask R-CNN
REQUIRED = ('requires_grad',)  # what stands beside any norm and is not its own


class NormError(UserError):
    """No such norm, or a network without sites."""


def find_norm(word: str) -> Norm:
    """The norm of that short name or title, 'swb' or 'SWb', in either case; 'SWa' is 'sw'.

    Raises:
        NormError: there is none.
    """
    lowered = word.lower()
    for norm in NORMS.values():
        if lowered in (norm.word, norm.title.lower()):
            return norm
    raise NormError(f'no norm {word!r}: one of {", ".join(NORMS)}')


def set_norm(config: Config, word: str) -> Config:
    """Puts a norm of the table at the sites of the network that `config` trains, in place.

    Everything else stays: a config so changed is what the same config with that norm written in would be. Options of
    the norm that stood there (group size, tied weights, …) go with it.

    Args:
        config: of any task; `norm_groups` in it is the number of groups of GN.
        word: short name, see `find_norm`.

    Returns:
        `config`.

    Raises:
        NormError: no such norm, or the network has no sites.
    """
    norm = find_norm(word)
    chosen = norm.config()
    if norm.word == 'gn':
        chosen['num_groups'] = config.get('norm_groups', chosen['num_groups'])
    networks = _networks(config)
    for node in networks:
        if node['type'] in WHOLE:
            _put(node, 'norm_cfg', chosen)
        elif _is_detector(config.model):
            _set_detector(config.model, node, norm, chosen)
        elif norm.word in _plain_words(node):
            node.pop('site_norm_cfg', None)
        else:
            _put(node, 'site_norm_cfg', chosen)
    config.norm = ConfigDict(_norm_at_sites(networks[0]))
    return config


def norm_of(config: Config) -> str:
    """Short name of the norm at the sites of a config's network: 'sw', whatever its other options.

    Raises:
        NormError: the network has no sites, they differ, or the norm is none of the table.
    """
    words = set()
    for node in _networks(config):
        words.add('bn' if not _is_detector(config.model) and _has_plain_sites(node) else _word(_norm_at_sites(node)))
    if len(words) > 1:
        raise NormError(f'several norms at the sites: {", ".join(sorted(words))}')
    return words.pop()


def norm_entry(config: Config) -> dict:
    """The config of the norm at the sites of a config's network, with all its options."""
    return _norm_at_sites(_networks(config)[0])


def put_norm(config: Config, entry: dict) -> None:
    """Puts a norm with options of its own at the sites of a segmentor, in place."""
    for node in _networks(config):
        node['norm_cfg' if node['type'] in WHOLE else 'site_norm_cfg'] = ConfigDict(entry)
    config.norm = ConfigDict(entry)


def name_with_norm(file: str | Path, word: str) -> str:
    """Name of a config with another norm: configs/bn_fcn_ade20k.py and 'sw' give 'sw_fcn_ade20k'."""
    first, _, ending = Path(file).stem.partition('_')
    if first not in NORMS:
        return f'{find_norm(word).word}_{Path(file).stem}'
    return f'{find_norm(word).word}_{ending}'


def _networks(config: Config) -> list[ConfigDict]:
    """Every part of a model that has sites."""
    networks = [node for node in config_dicts(config.model) if node.get('type') in (*WHOLE, SITES)]
    if not networks:
        bare = (node for node in config_dicts(config.model) if node.get('type') and 'norm_cfg' not in node)
        kinds = ', '.join(sorted({str(node['type']) for node in bare})) or 'this network'
        raise NormError(
            f'a config without sites for a norm ({kinds}): the networks with sites are {SITES} and {", ".join(WHOLE)}'
        )
    if _is_detector(config.model) and 'norm_cfg' not in config.model.get('neck', {}):
        raise NormError(
            'the baseline with frozen BN has no trained norm to replace: choose a norm for '
            'configs/syncbn_maskrcnn_coco.py'
        )
    return networks


def _is_detector(model: ConfigDict) -> bool:
    return 'roi_head' in model


def _set_detector(model: ConfigDict, backbone: ConfigDict, norm: Norm, chosen: dict) -> None:
    everywhere = norm.word in EVERYWHERE
    for node in config_dicts(model):
        if 'norm_cfg' in node:
            _put(node, 'norm_cfg', chosen if everywhere else NORMS['syncbn'].config())
    backbone.pop('site_norm_cfg', None)
    if not everywhere:
        _put(backbone, 'site_norm_cfg', chosen)


def _put(node: ConfigDict, key: str, chosen: dict) -> None:
    beside = {word: value for word, value in (node.get(key) or {}).items() if word in REQUIRED}
    node[key] = ConfigDict({**chosen, **beside})


def _plain_words(node: ConfigDict) -> tuple[str, ...]:
    """Norms that `SwitchSites` has at its sites without `site_norm_cfg`."""
    return ('bn', 'syncbn') if node.norm_cfg.type == 'SyncBN' else ('bn',)


def _has_plain_sites(node: ConfigDict) -> bool:
    return node['type'] == SITES and not node.get('site_norm_cfg')


def _norm_at_sites(node: ConfigDict) -> dict:
    return dict(node.get('site_norm_cfg') or node.norm_cfg)


def _word(norm_cfg: dict) -> str:
    """Short name of the norm that `norm_cfg` builds."""
    kind, statistics = norm_cfg['type'], norm_cfg.get('statistics')
    if kind in ('SW', 'SWa', 'SW2d') and statistics is not None:
        rows = [norm for norm in NORMS.values() if norm.switchable and norm.statistics == tuple(statistics)]
    elif kind == 'GN':
        rows = [NORMS['ln' if norm_cfg.get('num_groups') == 1 else 'gn']]
    else:
        rows = [norm for norm in NORMS.values() if norm.type == {'SWa': 'SW', 'SW2d': 'SW'}.get(kind, kind)]
    if not rows:
        raise NormError(f'{norm_cfg} is no norm of the table: {", ".join(NORMS)}')
    return rows[0].word
