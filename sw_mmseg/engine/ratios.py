"""The importance ratios of every switch, as curves (Equation 6; the paper's Figures 1b and 8 show where they end)."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from sw_mmseg.adaptation import FeatureDistance, MeanTeacher, without_wrappers
from sw_mmseg.models.wrappers import unwrap

__all__ = ['ImportanceRatioHook', 'importance_ratios']

COPIES = (MeanTeacher, FeatureDistance)  # parts of a method that hold copies of the network


def importance_ratios(model: nn.Module) -> dict[str, float]:
    """`{'ratios/LAYER/mean/bw': 0.5, 'ratios/LAYER/cov/bw': 0.5, ...}` of every layer that has switches and learns."""
    model = unwrap(model)
    copies = tuple(f'{name}.' for name, part in model.named_children() if isinstance(part, COPIES))
    ratios = {}
    for name, layer in model.named_modules():
        if hasattr(layer, 'mean_ratios') and hasattr(layer, 'cov_ratios') and not name.startswith(copies):
            name = without_wrappers(name)
            for kind, values in (('mean', layer.mean_ratios()), ('cov', layer.cov_ratios())):
                ratios |= {f'ratios/{name}/{kind}/{statistic}': float(value) for statistic, value in values.items()}
    return ratios


@HOOKS.register_module()
class ImportanceRatioHook(Hook):
    """Writes the ratios to the visualizer's backends; does nothing for a network without switches.

    Args:
        interval: iterations between two points of a curve.
    """

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.interval = interval

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Adds a point after every `interval` iterations."""
        if self.every_n_train_iters(runner, self.interval):
            ratios = importance_ratios(runner.model)
            if ratios:
                runner.visualizer.add_scalars(ratios, step=runner.iter + 1)
