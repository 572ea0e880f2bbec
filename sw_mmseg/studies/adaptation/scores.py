"""A trained network scored: under every policy of running statistics, and at every checkpoint that was kept.

Methods with the policy 'separate' hold the statistics of both domains, so one training is scored with either, and with
statistics re-estimated on target images.
"""

from __future__ import annotations

import itertools
import resource
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader

from sw_mmseg.adaptation import estimate_switches, running_layers
from sw_mmseg.analysis.label_free import LabelFree
from sw_mmseg.reporting.domains import Sampling, distances
from sw_mmseg.running import data_sets, scoring
from sw_mmseg.running.checkpoints import earlier_checkpoints
from sw_mmseg.running.data_sets import labelled_images, unlabelled_images

__all__ = [
    'domain_distances',
    'entry',
    'peak_memory',
    'score',
    'score_checkpoints',
    'score_policies',
    'trained_policies',
]

BATCHES = 50  # of four target images for statistics, of four labelled ones for switches
DISTANCE = Sampling(images=30, permutations=0)  # pictures a domain, convolutions as in Figure 3
Scores = dict[str, list[float]]  # domain -> IoU of every class in percent


def score(model: torch.nn.Module, loaders: dict[str, DataLoader]) -> tuple[Scores, dict[str, float]]:
    """IoU of every class by domain, and label-free scores of the target's predictions."""
    free, scores = LabelFree(), {}
    for domain, loader in loaders.items():
        visit = partial(_collect, free) if domain == 'target' else None
        scores[domain] = scoring.test(model, loader, visit=visit)[0]
    return scores, free.scores()


def _collect(free: LabelFree, sample: SegDataSample) -> None:
    free.add(sample.seg_logits.data)


def score_checkpoints(model: torch.nn.Module, config: Config, loaders: dict[str, DataLoader]) -> list[dict]:
    """Of every kept checkpoint before the last the iteration, mIoU by domain and label-free scores of the target."""
    steps = earlier_checkpoints(model, Path(config.work_dir))
    return [entry(iteration, *score(model, loaders)) for iteration in steps]


def entry(iteration: int, scores: Scores, free: dict[str, float]) -> dict:
    """What a history says of a checkpoint."""
    return {'iteration': iteration, **{domain: scoring.miou(classes) for domain, classes in scores.items()}, **free}


def trained_policies(model: torch.nn.Module) -> list[str]:
    """Statistics that training itself left behind, those that predictions use last."""
    if not running_layers(model):
        return ['none']
    statistics = getattr(model, 'statistics', None)
    policy = 'source' if statistics is None else statistics.policy
    return ['source', 'target'] if policy == 'separate' else [policy]


def score_policies(
    model: torch.nn.Module, config: Config, loaders: dict[str, DataLoader]
) -> tuple[dict[str, Scores], dict[str, float]]:
    """Policy -> domain -> IoU of every class; the last are 're-estimated' on target images, and with that 'switches'
    re-estimated too, where there are any; 'disturbed': statistics as trained, switches learnt again on source images in
    other light; and 'disturbed, re-estimated': statistics re-estimated after that. And label-free scores under the last
    policy of `trained_policies`."""
    scores, policies = {}, trained_policies(model)
    trained = {key: value.clone() for key, value in model.state_dict().items()}
    for policy in policies:
        if len(policies) > 1:
            model.evaluate_with = policy
        scores[policy], free = score(model, loaders)
    unlabelled = Path(loaders['target'].dataset.data_root) / 'leftImg8bit' / 'train'
    target_images = data_sets.build_loader(unlabelled_images(config, unlabelled), 4, seed=0)
    if running_layers(model):
        scoring.estimate(model, target_images, BATCHES)
        scores['re-estimated'], _ = score(model, loaders)
        if estimate_switches(model, itertools.islice(target_images, BATCHES)):
            scores['switches'], _ = score(model, loaders)
    model.load_state_dict(trained)
    images = data_sets.build_loader(labelled_images(config), 4, seed=0)
    if scoring.learn_switches(model, images, BATCHES)[0]:
        scores['disturbed'], _ = score(model, loaders)
        if running_layers(model):
            scoring.estimate(model, target_images, BATCHES)
            scores['disturbed, re-estimated'], _ = score(model, loaders)
        model.load_state_dict(trained)
    return scores, free


def domain_distances(model: torch.nn.Module, config: Config, source: Path | None, label: str) -> dict[str, float]:
    """MMD² between source and target features, unseen in training where there is a folder of such source images, of
    each of VGG16's first 13 convolutions, as the network predicts now."""
    folder = None if source is None else str(source / 'images')
    return {
        layer.layer: layer.features.value
        for layer in distances(model, config, replace(DISTANCE, folders={'source': folder}), label)
    }


def peak_memory() -> float:
    """Peak memory so far: of the GPU where there is one, of this process otherwise; MB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kB on Linux
