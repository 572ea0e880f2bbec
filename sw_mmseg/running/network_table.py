"""Networks that `--network` knows: the paper's and the small one, strong ones of today, and any other of timm.

vgg16                 by its word in the table
dinov2-b              a network of timm under a short name
resnet50d.a1_in1k     any network of timm, with the name of its weights or with timm's default ones
dinov2-b+lora         frozen but for LoRA of rank 16 in its linear layers; +lora8: of rank 8
dinov2-b+rein         frozen but for learnt tokens behind its blocks, of rank 16
dinov2-b+frozen       frozen; the decoder alone learns
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from sw_mmseg.models.timm_names import Looks, full_timm_name, looks_of_timm
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import CONFIGS

__all__ = ['NETWORKS', 'STRONG', 'Network', 'NetworkError', 'find_network', 'network_words', 'word_of_timm']

TUNED = re.compile(r'(?P<name>.+)\+(?P<tuning>lora|rein|frozen)(?P<rank>[1-9]\d*)?')
RANK, LEVELS, PYRAMID = 16, 4, 128


class NetworkError(UserError):
    """No such network, or a config whose network cannot be replaced."""


class Network(NamedTuple):
    """A network.

    Args:
        word: its name for `--network`.
        suffix: what stands behind the method in the name of a config that has it in place of its own.
        base: file of configs/_base_/models that defines `segmentor` and `data_preprocessor`.
        classifier_rate: learning rate of its classifiers, in that of the other layers.
        whitened: norms of its backbone that ISW whitens; empty where it has no sites for a norm.
        timm_name: of timm, with its weights; None for networks of configs/_base_/models.
        tuning, rank: what of it learns, see `TimmFeatures`.
    """

    word: str
    suffix: str
    base: str
    classifier_rate: float
    whitened: tuple[str, ...]
    timm_name: str | None = None
    tuning: str | None = None
    rank: int = RANK

    @property
    def strong(self) -> bool:
        """Whether it is trained by AdamW at a small rate, as DAFormer is, and has no sites for a norm."""
        return not self.whitened

    def variables(self) -> ConfigDict:
        """What the base file defines, with the network's name, weights and channels put in; a copy."""
        variables = copy.deepcopy(_variables(self.base))
        if self.timm_name is not None:
            _put_timm(variables, self.timm_name)
            if self.tuning is not None:
                variables.segmentor.backbone.update(tuning=self.tuning, rank=self.rank)
        return variables


_TABLE = (
    Network('narrow', 'narrow', 'deeplabv2_vgg16_narrow', 1.0, ('norm1', 'norm2', 'norm3')),
    Network('vgg16', 'vgg16', 'deeplabv2_vgg16', 1.0, ('norm1', 'norm2', 'norm3')),
    # the last site of SW in the stem and in each of the first stages
    Network('resnet101', '101', 'deeplabv2_r101', 10.0, ('bn1', 'layer1.2.bn2', 'layer2.3.bn2')),
    Network('small', 'small', 'small', 1.0, ('blocks.0.0.bn2', 'blocks.1.1.bn3', 'blocks.2.1.bn3')),
)
NETWORKS = {network.word: network for network in _TABLE}  # with sites for a norm
_TIMM = {
    'convnext-t': 'convnext_tiny.fb_in22k',
    'dinov2-s': 'vit_small_patch14_dinov2.lvd142m',
    'dinov2-b': 'vit_base_patch14_dinov2.lvd142m',
    'dinov2-l': 'vit_large_patch14_dinov2.lvd142m',
    'dinov3-s': 'vit_small_patch16_dinov3.lvd1689m',
    'dinov3-b': 'vit_base_patch16_dinov3.lvd1689m',
    'dinov3-l': 'vit_large_patch16_dinov3.lvd1689m',
}
STRONG = {
    'mit-b2': Network('mit-b2', '-mit-b2', 'daformer_mitb2', 10.0, ()),
    'mit-b5': Network('mit-b5', '-mit-b5', 'daformer_mitb5', 10.0, ()),
    **{word: Network(word, f'-{word}', 'timm', 10.0, (), name) for word, name in _TIMM.items()},
}


def network_words() -> str:
    """What `--network` takes, for messages."""
    return f'{", ".join((*NETWORKS, *STRONG))}, or a name of timm; +lora, +rein or +frozen behind a transformer'


def find_network(word: str) -> Network:
    """The network of that name, see above. Raises NetworkError where there is none."""
    match = TUNED.fullmatch(word)
    if match:
        network = find_network(match['name'])
        rank = int(match['rank'] or RANK)
        if network.timm_name is None:
            raise NetworkError(f'{word}: tuning is for transformers of timm, and {network.word} is none')
        return network._replace(word=word, suffix=f'-{word}', tuning=match['tuning'], rank=rank)
    if word in NETWORKS or word in STRONG:
        return NETWORKS.get(word) or STRONG[word]
    name = full_timm_name(word)
    if name is None:
        raise NetworkError(f'no network {word!r}: one of {network_words()}')
    return Network(word, f'-{word}', 'timm', 10.0, (), name)


def word_of_timm(backbone: ConfigDict) -> str:
    """The word that gives the backbone of a config, a `TimmFeatures`."""
    name, tuning, rank = backbone.model_name, backbone.get('tuning'), backbone.get('rank', RANK)
    word = next((short for short, long in _TIMM.items() if long == name), name)
    if tuning is None:
        return word
    return f'{word}+{tuning}{"" if rank == RANK else rank}'


@cache
def _variables(base: str) -> ConfigDict:
    config = Config.fromfile(CONFIGS / '_base_' / 'models' / f'{base}.py')
    return ConfigDict({key: config[key] for key in config})


@cache
def _looks(name: str) -> Looks:
    try:
        return looks_of_timm(name)
    except ValueError as error:
        raise NetworkError(f'--network {name}: {error}') from error


def _put_timm(variables: ConfigDict, name: str) -> None:
    channels, tokens, mean, std = _looks(name)
    segmentor = variables.segmentor
    segmentor.backbone.model_name = name
    segmentor.backbone.init_cfg.checkpoint = f'timm://{name}'
    segmentor.decode_head.in_channels = list(channels)
    if tokens:
        segmentor.neck = ConfigDict(type='TokenPyramid', in_channels=list(channels), channels=PYRAMID)
        segmentor.decode_head.in_channels = [PYRAMID] * LEVELS
    variables.data_preprocessor.update(
        mean=[round(255 * value, 4) for value in mean], std=[round(255 * value, 4) for value in std]
    )
