"""Trained networks scored, and what is estimated after training: running statistics and switches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader

from sw_mmseg.adaptation import DisturbedSource, estimate_statistics, estimate_switches, running_layers
from sw_mmseg.engine import ClassIoUMetric, importance_ratios

__all__ = ['estimate', 'learn_switches', 'miou', 'score', 'switch_ratios', 'test']


@torch.no_grad()
def test(
    model: torch.nn.Module,
    loader: DataLoader,
    keep: Iterable[int] = (),
    visit: Callable[[SegDataSample], None] | None = None,
) -> tuple[list[float], list[np.ndarray]]:
    """IoU of every class in percent (NaN: absent), and the label maps (H×W uint8) predicted for the images `keep`;
    `visit` is shown every prediction."""
    indices, kept, seen = set(keep), {}, 0
    metric = ClassIoUMetric()
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = loader.dataset.metainfo
    model.eval()
    for batch in loader:
        outputs = model.test_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
        for index, output in enumerate(outputs, seen):
            if visit:
                visit(output)
            if index in indices:
                kept[index] = output.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
        seen += len(outputs)
    evaluator.evaluate(seen)
    return list(metric.class_iou.values()), [kept[i] for i in keep]


@torch.no_grad()
def score(model: torch.nn.Module, loader: DataLoader) -> tuple[dict[str, float], dict[str, float]]:
    """mmseg's metrics, and the IoU of every class, of all pictures of a loader."""
    metric = ClassIoUMetric()
    evaluator, seen = Evaluator([metric]), 0
    evaluator.dataset_meta = loader.dataset.metainfo
    model.eval()
    for batch in loader:
        outputs = model.test_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
        seen += len(outputs)
    return evaluator.evaluate(seen), dict(metric.class_iou)


def estimate(model: torch.nn.Module, loader: DataLoader, batches: int) -> tuple[int, float]:
    """Running statistics of `batches` target batches; returns how many layers have any, and the seconds it took."""
    begin = time.monotonic()
    layers = estimate_statistics(model, itertools.islice(loader, batches)) if running_layers(model) else 0
    return layers, time.monotonic() - begin


def learn_switches(model: torch.nn.Module, loader: DataLoader, batches: int) -> tuple[int, float]:
    """Switches learnt again on `batches` labelled batches in disturbed light and colours, nothing else moving; returns
    how many steps that were, none without switches, and the seconds it took."""
    begin = time.monotonic()
    losses = estimate_switches(model, itertools.islice(loader, batches), objective=DisturbedSource())
    return len(losses), time.monotonic() - begin


def switch_ratios(model: torch.nn.Module) -> dict[str, float]:
    """Importance ratios by 'layer/mean or cov/statistic'; empty for a network without switches."""
    return {
        name.removeprefix('ratios/').removeprefix('segmentor.'): value
        for name, value in importance_ratios(model).items()
    }


def miou(classes: list[float]) -> float:
    """Mean of the classes that occur, in percent."""
    return float(np.nanmean(classes))
