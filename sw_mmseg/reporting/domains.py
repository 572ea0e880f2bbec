"""Two domains of pictures as a network's config gives them, and features of both by layer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from torch.utils.data import Dataset
from tqdm import tqdm

from sw_mmseg.analysis.domain_layers import LayerDistance, layer_distances
from sw_mmseg.analysis.features import LayerFeatures, TracedLayer, collect_features, traced_layers
from sw_mmseg.domains import DOMAINS
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.configs import build
from sw_mmseg.running.data_sets import reads_labels, unlabelled_images
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.option_words import OptionAction
from sw_mmseg.running.streets import innermost

__all__ = [
    'Sampling',
    'add_network_arguments',
    'chosen_pictures',
    'compared',
    'core',
    'distances',
    'domain_dataset',
    'features',
    'pass_through',
    'pictures',
]


@dataclass
class Sampling:
    """How features are taken: pictures a domain, pixels a picture, convolutions from the first, exchanges of the
    test; `folders` are domain -> folder of pictures, or None for the config's own."""

    images: int = 100
    pixels: int = 16
    layers: int = 13
    permutations: int = 500
    seed: int = 0
    folders: dict[str, str | None] | None = None


def add_network_arguments(parser: argparse.ArgumentParser, images: int) -> None:
    """One network and its two domains."""
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('--source', metavar='DIR', help="a folder of pictures (default: the config's source)")
    parser.add_argument('--target', metavar='DIR', help='a folder of pictures (default: what the config tests on)')
    parser.add_argument('--images', type=int, default=images, help=f'of each domain (default: {images})')
    parser.add_argument('--seed', type=seed_number, default=0, help='of the pictures')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of the config to change',
    )
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)


def domain_dataset(config: Config, domain: str, folder: str | None = None) -> Dataset:
    """Pictures of a domain without labels and without random changes: of a folder, else the config's: the labelled
    pictures that it trains on are the source, those that it tests on the target.

    Raises:
        UserError: the config has none, or they do not build.
    """
    if folder is not None:
        return build(f'{domain} images', lambda: DATASETS.build(unlabelled_images(config, folder)))
    part = 'train_dataloader' if domain == 'source' else 'test_dataloader'
    if part not in config or 'dataset' not in config[part]:
        raise UserError(f'the config has no {part} to take {domain} pictures from: give --{domain} DIR')
    dataset = config[part].dataset
    dataset = innermost(dataset.source if 'source' in dataset else dataset).copy()
    dataset.pipeline = [
        step for step in dataset.pipeline if not reads_labels(step) and 'Random' not in str(step['type'])
    ]
    return build(f'{domain} images', lambda: DATASETS.build(dataset))


def chosen_pictures(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Indices of `count` pictures, or of all, without repetition; the same for every network.

    Raises:
        UserError: fewer than two pictures.
    """
    if len(dataset) < 2:
        raise UserError(f'{type(dataset).__name__} has {len(dataset)} pictures; a comparison needs at least two')
    return sorted(np.random.default_rng(seed).permutation(len(dataset))[:count].tolist())


def pictures(dataset: Dataset, indices: list[int], text: str) -> Iterator[dict]:
    """One picture at a time, as the pipeline gives it."""
    for index in tqdm(indices, desc=text, unit='image', leave=False, disable=None):
        yield dataset[index]


def pass_through(model: torch.nn.Module, picture: dict) -> None:
    """One picture through a network of any task, up to its outputs."""
    batch = {'inputs': [picture['inputs']], 'data_samples': [picture['data_samples']]}
    model(model.data_preprocessor(batch, False)['inputs'], mode='tensor')


def core(model: torch.nn.Module) -> torch.nn.Module:
    """The network that predicts, inside what adapts it: its layers are called the same in all methods."""
    return getattr(model, 'segmentor', model)


def features(model: torch.nn.Module, config: Config, sampling: Sampling, label: str) -> dict[str, dict]:
    """Domain -> convolution -> `LayerFeatures`.

    Raises:
        UserError: the network runs fewer convolutions than asked for, or the domains do not build.
    """
    folders = sampling.folders or {}
    domain_features: dict[str, dict[str, LayerFeatures]] = {}
    layers: list[TracedLayer] = []
    for domain in DOMAINS:
        dataset = domain_dataset(config, domain, folders.get(domain))
        indices = chosen_pictures(dataset, sampling.images, sampling.seed)
        if not layers:
            layers = traced_layers(core(model), partial(pass_through, model, dataset[indices[0]]))
            if len(layers) < sampling.layers:
                raise UserError(f'{label} runs {len(layers)} convolutions, not {sampling.layers}: choose --layers')
        domain_features[domain] = collect_features(
            core(model),
            layers[: sampling.layers],
            pictures(dataset, indices, f'{label}, {domain}'),
            partial(pass_through, model),
            sampling.pixels,
            sampling.seed,
        )
    return domain_features


def distances(model: torch.nn.Module, config: Config, sampling: Sampling, label: str) -> list[LayerDistance]:
    """Of every layer between source and target; see `features`."""
    domain_features = features(model, config, sampling, label)
    return layer_distances(domain_features['source'], domain_features['target'], sampling.permutations, sampling.seed)


def compared(runs: Sequence[Run], sampling: Sampling) -> dict[str, list[LayerDistance]]:
    """`distances` of several networks by their labels.

    Raises:
        UserError: they are not of one architecture.
    """
    results = {run.label: distances(network(run), run.config, sampling, run.label) for run in runs}
    first, *labels = results
    for label in labels:
        if [one.layer for one in results[label]] != [one.layer for one in results[first]]:
            raise UserError(
                f'distances compare networks of one architecture: {label} and {first} have different convolutions'
            )
    return results
