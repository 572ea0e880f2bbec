"""A trained network scored: under every policy of running statistics, and at every checkpoint that was kept.

Methods with the policy 'separate' hold the statistics of both domains, so one training is scored with either, and with
statistics re-estimated on target images.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import _demo_runs as runs
import torch
from _cli import unlabelled_images
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader

from sw_mmseg.adaptation import estimate_switches
from sw_mmseg.analysis.label_free import LabelFree

STATISTICS_IMAGES = 200  # target images for re-estimation


def test_loaders(config: Config, source: Path | None) -> dict[str, DataLoader]:
    """Images that no training saw: of the target, and of the source where there is a folder of it, laid out as GTA5."""
    loaders = {'target': runs.build_loader(config.test_dataloader.dataset, 4)}
    if source is not None:
        pipeline = config.test_dataloader.dataset.pipeline
        loaders['source'] = runs.build_loader(dict(type='GTA5Dataset', data_root=str(source), pipeline=pipeline), 4)
    return loaders


def checkpoints(config: Config) -> list[Path]:
    """Of a run, the oldest first."""
    return sorted(Path(config.work_dir).glob('iter_*.pth'), key=lambda file: int(file.stem.split('_')[1]))


def score_checkpoints(model: torch.nn.Module, config: Config,
                      loaders: dict[str, DataLoader]) -> tuple[str, list[dict]]:
    """The policy, and of every kept checkpoint the iteration, mIoU by domain and label-free scores of the target."""
    policies, history = trained_policies(model), []
    last = {key: value.clone() for key, value in model.state_dict().items()}
    for file in checkpoints(config):
        model.load_state_dict(torch.load(file, map_location='cpu', weights_only=False)['state_dict'])
        free, entry = LabelFree(), {'iteration': int(file.stem.split('_')[1])}
        for domain, loader in loaders.items():
            visit = partial(_collect, free) if domain == 'target' else None
            entry[domain] = runs.miou(runs.test(model, loader, visit=visit)[0])
        history.append({**entry, **free.scores()})
    model.load_state_dict(last)
    return policies[-1], history


def _collect(free: LabelFree, sample: SegDataSample) -> None:
    free.add(sample.seg_logits.data)


def trained_policies(model: torch.nn.Module) -> list[str]:
    """Statistics that training itself left behind, those that predictions use last."""
    if not runs.running_layers(model):
        return ['none']
    statistics = getattr(model, 'statistics', None)
    return ['source', 'target'] if statistics is not None and statistics.policy == 'separate' else ['source']


def score_policies(model: torch.nn.Module, config: Config,
                   loaders: dict[str, DataLoader]) -> dict[str, dict[str, list[float]]]:
    """Policy -> domain -> IoU of every class; the last are 're-estimated' on target images, and with that 'switches'
    re-estimated too, where there are any."""
    scores, policies = {}, trained_policies(model)
    for policy in policies:
        if len(policies) > 1:
            model.evaluate_with = policy
        scores[policy] = {domain: runs.test(model, loader)[0] for domain, loader in loaders.items()}
    if runs.running_layers(model):
        folder = Path(loaders['target'].dataset.data_root) / 'leftImg8bit' / 'train'
        images = runs.build_loader(unlabelled_images(config, folder), 4, seed=0)
        runs.estimate(model, images, STATISTICS_IMAGES // 4)
        scores['re-estimated'] = {domain: runs.test(model, loader)[0] for domain, loader in loaders.items()}
        if estimate_switches(model, itertools.islice(images, STATISTICS_IMAGES // 4)):
            scores['switches'] = {domain: runs.test(model, loader)[0] for domain, loader in loaders.items()}
    return scores
