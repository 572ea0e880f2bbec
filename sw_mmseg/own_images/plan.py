"""What tools/adapt.py chooses for a machine and two folders: network, sizes, batch; and what methods there are.

`_adapt_config` makes the config.
"""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.models.pretrained import PretrainedError, read_checkpoint
from sw_mmseg.models.weight_packages import WeightPackageError, read_package
from sw_mmseg.own_images.folders import Checked, Folder
from sw_mmseg.own_images.labelled_data import FEW_SHARE, labelled_reasons
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import METHODS as ALL_METHODS
from sw_mmseg.running.methods import SOURCE_ONLY, STATISTICS
from sw_mmseg.running.network_table import find_network
from sw_mmseg.running.paths import shipped_config

__all__ = [
    'BUDGET',
    'METHODS',
    'NETWORKS',
    'NO_SITES',
    'SMALLEST',
    'Choice',
    'available',
    'choose',
    'choose_network',
    'config_file',
    'crop_of',
    'default_method',
    'default_norm',
    'smaller',
    'title',
]

METHODS = {name: method for name, method in ALL_METHODS.items() if name != 'oracle'}  # it needs the target's labels
# -> whose configs train it
NETWORKS = {'small': 'streets2camvid', 'narrow': 'streets', 'vgg16': 'gta2cityscapes', 'resnet101': 'gta2cityscapes'}
WEIGHTS = {'vgg16': 'torchvision://vgg16', 'resnet101': 'torchvision://resnet101'}
SHORT_SIDE = {'small': 192, 'narrow': 128, 'vgg16': 512, 'resnet101': 512}  # of images in training, at most
BATCH = {'small': 6, 'narrow': 2, 'vgg16': 1, 'resnet101': 1}  # of each domain
STRONG_SIDE, STRONG_BATCH = {'cpu': 192, 'cuda': 512}, 2  # of other networks
NO_SITES = 'none'
BUDGET = {'cpu': 20.0, 'cuda': 120.0}  # minutes of training
TUPLES = {'source_crop', 'target_crop', 'source_shares'}  # of a choice, lists in JSON
SMALLEST = 32  # pixels: the networks reduce images by 8, and look further than one cell


@dataclass(frozen=True)
class Choice:
    """Everything that makes a config of two folders. Crops are (height, width)."""

    network: str
    norm: str
    method: str
    short_side: int
    source_crop: tuple[int, int]
    target_crop: tuple[int, int]
    batch: int
    iterations: int
    seed: int = 0
    few_share: float = FEW_SHARE  # of labelled target images, where there are any, in the labelled ones
    source_shares: tuple[float, ...] = ()  # of several sources; without them, as they are large

    @property
    def trainings(self) -> tuple[str, ...]:
        """Methods to train: the last one is what is asked for."""
        return (SOURCE_ONLY,) if self.method == STATISTICS else (self.method,)

    @classmethod
    def from_dict(cls, values: dict) -> Choice:
        """Of what `asdict` and JSON made."""
        return cls(**{**values, **{key: tuple(values[key]) for key in TUPLES & values.keys()}})


def title(method: str) -> str:
    """A method as reports call it."""
    return METHODS[method].title


def config_file(network: str, method: str) -> Path:
    """The shipped config of a method; `set_network` puts the network in."""
    method = SOURCE_ONLY if method == STATISTICS else method
    return shipped_config(f'bn_{method}_{NETWORKS.get(network, NETWORKS["small"])}')


def available(network: str) -> list[str]:
    """Methods that have a config with a network."""
    return [method for method in METHODS if config_file(network, method).is_file()]


def default_method(network: str) -> str:
    """What did best on photographs with the small network (docs/photographs.md), also for strong ones, with which
    methods are not compared; the paper's trainer with the paper's networks."""
    return 'adaptsegnet' if network in NETWORKS and network != 'small' else 'cbst'


def default_norm(network: str) -> tuple[str, str]:
    """The norm at the sites, and why."""
    if network == 'small':
        return 'bn', 'the norm that the network was pretrained with'
    if network not in NETWORKS:
        return NO_SITES, 'its layers keep their own norm, and its decoder has BN'
    return 'sw', 'at the sites of the paper'


def choose(args: argparse.Namespace, checked: Checked) -> tuple[Choice, list[tuple[str, str, str]]]:
    """Network and sizes, and (name, value, reason) of each choice. The number of iterations is left at 0.

    Raises:
        UserError: no config for that method with that network, or images too small to train on.
    """
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    network, network_reason = (
        (args.network, _asked(args.network)) if args.network != 'auto' else choose_network(device, args.method)
    )
    method, (norm, norm_reason) = args.method or default_method(network), _chosen_norm(args.norm, network)
    if method not in available(network):
        raise UserError(
            f'--method {method} has no config with the network {network}; there are {", ".join(available(network))}'
        )
    native = min(min(folder.typical_size()) for folder in checked.trained)
    side = min(args.short_side or SHORT_SIDE.get(network, STRONG_SIDE[device]), native)  # images are never scaled up
    side -= side % 8
    if side < SMALLEST:
        raise UserError(f'the images are {native} pixels on their short side; at least {SMALLEST} are needed')
    crops = [crop_of(folder, side) for folder in (checked.source, checked.target)]
    few_share = getattr(args, 'few_share', None) or FEW_SHARE
    batch, iterations = args.batch_size or BATCH.get(network, STRONG_BATCH), args.iterations or 0
    source_shares = tuple(getattr(args, 'source_share', None) or ())
    choice = Choice(network, norm, method, side, *crops, batch, iterations, args.seed, few_share, source_shares)
    side_reason = (
        'as asked'
        if args.short_side and args.short_side <= native
        else (f'{args.short_side} was asked for; the images have {native}, and are not scaled up')
        if args.short_side
        else ('as the images have' if side > native - 8 else f'what this network is made for; the images have {native}')
    )
    machine = torch.cuda.get_device_name() if device == 'cuda' else f'CPU cores: {usable_cores()}'
    reasons = [
        ('device', device, machine),
        ('network', network, network_reason),
        ('norm', norm, norm_reason),
        ('method', method, METHODS[method].description),
        ('short side of images', f'{side} pixels', side_reason),
    ]
    return choice, [*reasons, *labelled_reasons(checked, few_share, source_shares)]


def choose_network(device: str, method: str | None = None) -> tuple[str, str]:
    """The small network where timm and the package of its weights are there, and it has a config for `method`; else
    the full one where a GPU and its weights are. And why."""
    missing = _missing_for_small()
    if missing is None and method not in (None, *available('small')):
        missing = f'the small network has no config for {method}'
    if missing is None:
        return 'small', 'EfficientNet-Lite0, which starts from ImageNet and learns within minutes'
    if device == 'cpu':
        return 'narrow', f'{missing}; no GPU: VGG16 DeepLab-v2, a quarter as wide, from scratch'
    try:
        read_checkpoint(WEIGHTS['vgg16'])
        return 'vgg16', f'{missing}; DeepLab-v2 from ImageNet weights'
    except PretrainedError:
        return 'narrow', (
            f'{missing}; ImageNet weights of VGG16 cannot be reached: VGG16 DeepLab-v2, a quarter as wide, from scratch'
        )


def _chosen_norm(asked: str | None, network: str) -> tuple[str, str]:
    norm, reason = default_norm(network)
    if asked and norm == NO_SITES:
        sites = ', '.join(NETWORKS)
        raise UserError(f'--norm {asked}: the network {network} has no sites; those with sites are {sites}')
    return (asked, 'as asked') if asked else (norm, reason)


def _asked(word: str) -> str:
    network = find_network(word)
    learns = {
        None: '',
        'lora': f'; frozen but for LoRA of rank {network.rank}',
        'rein': f'; frozen but for tokens of rank {network.rank} behind each block',
        'frozen': '; frozen, the decoder alone learns',
    }[network.tuning]
    return f'as asked{"" if network.timm_name is None else f": {network.timm_name} of timm"}{learns}'


def _missing_for_small() -> str | None:
    """What keeps the small network from starting at ImageNet, and the way out."""
    if importlib.util.find_spec('timm') is None:
        return 'timm, which builds the small network, is not installed: pip install timm'
    try:
        read_package('efficientnet-lite0')
    except WeightPackageError as error:
        return str(error)
    return None


def crop_of(folder: Folder, side: int) -> tuple[int, int]:
    """(height, width): the typical image with its short side at `side`, its long one at most twice that."""
    width, height = folder.typical_size()
    scale = side / min(width, height)
    return tuple(max(SMALLEST, min(2 * side, round(scale * length)) // 8 * 8) for length in (height, width))


def smaller(choice: Choice) -> Choice:
    """What needs less memory: half the batch, then crops of three quarters.

    Raises:
        UserError: there is nothing left to reduce.
    """
    if choice.batch > 1:
        return replace(choice, batch=choice.batch // 2)
    crops = [
        tuple(max(SMALLEST, int(0.75 * length) // 8 * 8) for length in crop)
        for crop in (choice.source_crop, choice.target_crop)
    ]
    if min(map(min, crops)) <= SMALLEST:
        raise UserError('the memory of the GPU does not take even small crops: free it, or use --network narrow')
    return replace(choice, source_crop=crops[0], target_crop=crops[1])
