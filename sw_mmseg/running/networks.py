"""The segmentor of an adaptation config: replaced by one word, and read back.

A method's config is written for one network, and any of the table can stand in its place. What follows from the network
follows with it, as in the settings of the methods' authors:

    levels           each head is supervised and adapted. DeepLab-v2 on ResNet-101 has a second classifier, whose
                     segmentation loss weighs a tenth and whose other losses a fifth of the main one's (AdaptSegNet's
                     "multi level"). Self-training has one classifier, as DACS does.
    learning rates   new classifiers of ResNet-101 learn ten times as fast as its pretrained layers (DeepLab-v2)
    optimiser        transformers and networks of timm are trained by DAFormer's AdamW, the decoder ten times as fast;
                     what LoRA or tokens add to a frozen one five times as fast (a choice that is not measured)
    ISW              which norms it whitens

Data, schedule, the other settings of the optimiser, the number of classes and the norm at the sites stay.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from sw_mmseg.running.network_table import NETWORKS, STRONG, Network, NetworkError, find_network, word_of_timm
from sw_mmseg.running.norms import norm_entry, norm_of, put_norm, set_norm
from sw_mmseg.whitening import NORMS

__all__ = [
    'NETWORKS',
    'STRONG',
    'Network',
    'NetworkError',
    'find_network',
    'name_with_network',
    'network_of',
    'set_network',
]

MAIN, SECOND = HEADS = ('decode_head', 'auxiliary_head')
SECOND_SEG, SECOND_TARGET = 10, 5  # the main head's weights are so many times the second's
ONE_CLASSIFIER = ('SelfTraining', 'ClassBalancedSelfTraining')
IDENTITY = ('type', 'of', 'depth', 'variant', 'width', 'num_layers')  # what tells one backbone from another
# DAFormer's optimiser, for networks without sites; what is added to a frozen one learns faster
OPTIMIZER = {'type': 'AdamW', 'lr': 6e-5, 'betas': (0.9, 0.999), 'weight_decay': 0.01}
TUNED_RATE = 5.0


def network_of(config: Config) -> str:
    """Name of the network that `config` trains: 'vgg16', whatever its norm, classes and weights.

    Raises:
        NetworkError: it is none of the table.
    """
    segmentor = _segmentor_of(config)
    identity = _identity(segmentor)
    if identity and segmentor.backbone.type == 'TimmFeatures':
        return word_of_timm(segmentor.backbone)
    for network in (*NETWORKS.values(), *STRONG.values()):
        if network.timm_name is None and identity == _identity(network.variables().segmentor):
            return network.word
    raise NetworkError(
        f'the network of {_name(config)} is none of {", ".join((*NETWORKS, *STRONG))}: --network is for the configs '
        'of domain adaptation on these, such as configs/bn_adaptsegnet_gta2cityscapes.py'
    )


def set_network(config: Config, word: str) -> Config:
    """Puts a network of the table in place of the one that `config` trains, in place.

    A config that has the network already stays as it is.

    Args:
        config: of a method of domain adaptation, or of training on the source alone.
        word: see `NETWORKS`.

    Returns:
        `config`.

    Raises:
        NetworkError: no such network, the config's is none of the table, or it was changed by hand.
    """
    network, before = find_network(word), find_network(network_of(config))
    if network.word == before.word:
        return config
    if before.strong and not network.strong:
        raise NetworkError(
            f'{_name(config)} has the optimiser of {before.word}, which {word} would not learn with: put {word} into '
            'the shipped config of the method'
        )
    variables, old = network.variables(), before.variables()
    for segmentor in (variables.segmentor, old.segmentor):
        _set_classes(segmentor, _segmentor_of(config)[MAIN])
    _check_unchanged(config, _adjusted(old.segmentor, config), old.data_preprocessor, before)
    norm = None if network.strong else norm_of(config)
    entry = None if norm is None else norm_entry(config)
    usual = norm is None or entry == norm_entry(set_norm(config, norm))  # without options of its own

    _put(config, network, _adjusted(variables.segmentor, config), variables.data_preprocessor)
    for key in old:
        config.pop(key, None)
    for key, value in variables.items():
        config[key] = value  # `update` would merge
    if norm is not None:
        set_norm(config, norm)
    if not usual:
        put_norm(config, entry)
    return config


def name_with_network(file: str | Path, word: str) -> str:
    """Name of a config with another network: configs/bn_fda_gta2cityscapes.py and 'resnet101' give
    'bn_fda101_gta2cityscapes'."""
    suffix, parts = find_network(word).suffix, Path(file).stem.split('_')
    if parts[0] not in NORMS or len(parts) < 3:
        return '_'.join([*parts, word])
    return '_'.join([parts[0], parts[1] + suffix, *parts[2:]])


def _segmentor_of(config: Config) -> ConfigDict:
    model = config.get('model', ConfigDict())
    return model.get('segmentor', model)


def _name(config: Config) -> str:
    return Path(config.filename).name if config.filename else 'the config'


def _identity(segmentor: ConfigDict) -> tuple:
    backbone, head = segmentor.get('backbone'), segmentor.get(MAIN)
    if not isinstance(backbone, dict) or not isinstance(head, dict):
        return ()
    return (*(backbone.get(key) for key in IDENTITY), head.get('type'))


def _set_classes(segmentor: ConfigDict, like: ConfigDict) -> None:
    """What is the data's, as the head `like` has it: the number of classes, and their weights where there are any."""
    loss = like.get('loss_decode')
    for head in HEADS:
        if head in segmentor:
            segmentor[head].num_classes = like.num_classes
            if isinstance(loss, dict) and 'class_weight' in loss:
                segmentor[head].loss_decode = copy.deepcopy(loss)


def _adjusted(segmentor: ConfigDict, config: Config) -> ConfigDict:
    """A copy of a base's segmentor as `config`'s method trains it."""
    segmentor = copy.deepcopy(segmentor)
    if SECOND in segmentor and config.model.type in ONE_CLASSIFIER:
        segmentor[SECOND] = None
    elif SECOND in segmentor and 'segmentor' not in config.model:  # mmseg adds the heads' losses up
        segmentor[SECOND].loss_decode = ConfigDict(
            type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1 / SECOND_SEG
        )
    return segmentor


def _put(config: Config, network: Network, segmentor: ConfigDict, data_preprocessor: ConfigDict) -> None:
    """The segmentor, and what follows from it."""
    if 'segmentor' in config.model:
        config.model.segmentor, config.model.data_preprocessor = segmentor, data_preprocessor
    else:
        config.model = ConfigDict(data_preprocessor=data_preprocessor, **segmentor)
    heads = [head for head in HEADS if segmentor.get(head)]
    _set_levels(config.model, heads)
    if config.model.type == 'InstanceSelectiveWhitening':
        if network.strong:
            raise NetworkError(f'ISW whitens the norms of a convolutional network, and {network.word} has none for it')
        config.model.layers = list(network.whitened)
    new_parts = [*heads, *(['neck'] if segmentor.get('neck') else [])]
    _set_rates(config.optim_wrapper, new_parts, network.classifier_rate)
    if network.strong:
        _set_optimizer(config.optim_wrapper, network)


def _set_levels(model: ConfigDict, heads: list[str]) -> None:
    """Levels of the heads that there are; the second one's weights follow from the main one's."""
    if 'segmentor' not in model or ('levels' not in model and (len(heads) == 1 or model.type in ONE_CLASSIFIER)):
        return
    default = ConfigDict(head=MAIN, lambda_seg=1.0)
    main = next((level for level in model.get('levels', ()) if level['head'] == MAIN), default)
    second = {
        key: value / (SECOND_SEG if key == 'lambda_seg' else SECOND_TARGET)
        for key, value in main.items()
        if key != 'head'
    }
    model.levels = [main, ConfigDict(head=SECOND, **second)][: len(heads)]
    if model.levels == [default]:
        del model['levels']


def _set_rates(optim_wrapper: ConfigDict, heads: list[str], rate: float) -> None:
    """Learning rates of the classifiers; those of other parameters stay."""
    optimizer = optim_wrapper.get('segmentor', optim_wrapper)
    paramwise = optimizer.setdefault('paramwise_cfg', ConfigDict())
    keys = {
        key: value for key, value in paramwise.get('custom_keys', {}).items() if key not in (*HEADS, 'neck', 'backbone')
    }
    if rate != 1:
        keys |= {head: ConfigDict(lr_mult=rate) for head in heads}
    paramwise.custom_keys = ConfigDict(keys)
    if not keys:
        del paramwise['custom_keys']
    if not paramwise:
        del optimizer['paramwise_cfg']


def _set_optimizer(optim_wrapper: ConfigDict, network: Network) -> None:
    section = optim_wrapper.get('segmentor', optim_wrapper)
    section.optimizer = ConfigDict(OPTIMIZER)
    section.paramwise_cfg.norm_decay_mult = 0.0
    if network.tuning is not None:
        section.paramwise_cfg.custom_keys.backbone = ConfigDict(lr_mult=TUNED_RATE)


def _check_unchanged(config: Config, segmentor: ConfigDict, data_preprocessor: ConfigDict, network: Network) -> None:
    """Refuses a network with settings of its own, which another one has no place for."""
    expected = dict(segmentor, data_preprocessor=data_preprocessor)
    model = config.model
    actual = dict(_segmentor_of(config), data_preprocessor=model.get('data_preprocessor'))
    changed = sorted(set(_differences(actual, expected, '')))
    if changed:
        raise NetworkError(
            f'{_name(config)} changes {", ".join(changed)} of configs/_base_/models/{network.base}.py, '
            'which another network would lose: write the network into the config instead'
        )


def _differences(one: object, other: object, path: str) -> Iterator[str]:
    """Where two nested settings differ, but for the norm at the sites."""
    if isinstance(one, dict) and isinstance(other, dict):
        at_sites = {'norm_cfg' if one.get('type') == 'VGG16DeepLab' else 'site_norm_cfg'}
        for key in (one.keys() | other.keys()) - at_sites:
            yield from _differences(one.get(key), other.get(key), f'{path}.{key}'.removeprefix('.'))
    elif one != other:
        yield path
