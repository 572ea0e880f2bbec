"""Pictures during training: contents, and below them what the network makes of them now."""

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from sw_mmseg.models.wrappers import unwrap

from .pictures import to_uint8

__all__ = ['StyleSamplesHook', 'stylise']


@torch.no_grad()
def stylise(network: nn.Module, pictures: Tensor) -> Tensor:
    """N×3×H×W in 0..1 through a network in eval mode; modes are restored."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        return network.eval()(pictures)
    finally:
        for module, training in modes:
            module.training = training


@HOOKS.register_module()
class StyleSamplesHook(Hook):
    """Puts the first contents of the data set, always the same, and their stylised selves into the visualizer's
    backends: a file in the work directory, and TensorBoard.

    Args:
        interval: iterations between two sheets.
        count: pictures side by side.
    """

    def __init__(self, interval: int = 1000, count: int = 4) -> None:
        if interval < 1 or count < 1:
            raise ValueError(f'interval and count must be at least 1, got {interval} and {count}')
        self.interval, self.count = interval, count
        self._contents: Tensor | None = None

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """A sheet after every `interval` iterations."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        model = unwrap(runner.model)
        if self._contents is None:
            dataset = runner.train_dataloader.dataset
            count = min(self.count, len(dataset))
            # what is read by position, by the run's seed
            samples = (
                dataset.at(index, runner.seed) if hasattr(dataset, 'at') else dataset[index] for index in range(count)
            )
            self._contents = torch.stack([sample['inputs'] for sample in samples])
        contents = self._contents.to(next(model.network.parameters()).device)
        rows = [
            np.concatenate([to_uint8(picture) for picture in row], axis=1)
            for row in (contents, stylise(model.network, contents))
        ]
        runner.visualizer.add_image('stylised', np.concatenate(rows), step=runner.iter + 1)
