"""Data sets and loaders beside those that a config trains with."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

__all__ = ['build_loader', 'labelled_images', 'reads_labels', 'test_loaders', 'unlabelled_images']


def unlabelled_images(config: Config, folder: str) -> dict:
    """A data set of every image in a folder and below, prepared as the config prepares its test images."""
    pipeline = [t for t in config.test_dataloader.dataset.pipeline if not reads_labels(t)]
    return {'type': 'UnlabelledImages', 'data_root': str(folder), 'pipeline': pipeline}


def labelled_images(config: Config) -> dict:
    """The labelled data set of a config's training, read by index: its augmentation follows from a seed, 0 if the
    config names none."""
    dataset = config.train_dataloader.dataset
    source = dataset.get('source', dataset)
    source = source if source['type'] == 'Positioned' else {'type': 'Positioned', 'dataset': source}
    return {**source, 'seed': source.get('seed') or 0}


def reads_labels(transform: dict) -> bool:
    """Whether a step of a pipeline is about labels."""
    return 'Label' in str(transform['type']) or 'Annotation' in str(transform['type'])


def build_loader(dataset: dict, batch_size: int, seed: int | None = None) -> DataLoader:
    """Loads in order, or shuffled by `seed`."""
    init_default_scope('mmseg')
    sampler = {'type': 'DefaultSampler', 'shuffle': seed is not None}
    return Runner.build_dataloader(
        {
            'dataset': dataset,
            'batch_size': batch_size,
            'num_workers': 0,
            'sampler': sampler,
            'collate_fn': {'type': 'pseudo_collate'},
        },
        seed=seed,
    )


def test_loaders(config: Config, source: Path | None) -> dict[str, DataLoader]:
    """Images that no training saw: of the target, and of the source where there is a folder of it, laid out as GTA5,
    whose images are not all of one size."""
    loaders = {'target': build_loader(config.test_dataloader.dataset, 4)}
    if source is not None:
        pipeline = config.test_dataloader.dataset.pipeline
        loaders['source'] = build_loader(dict(type='GTA5Dataset', data_root=str(source), pipeline=pipeline), 1)
    return loaders
