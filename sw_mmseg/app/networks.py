"""The networks of the page: loaded once, and asked with other statistics or other switches, which leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from sw_mmseg.adaptation import running_layers
from sw_mmseg.analysis import overlay
from sw_mmseg.analysis.legend import with_legend
from sw_mmseg.datasets.camvid_labels import CAMVID_CLASSES, camvid_to_cityscapes
from sw_mmseg.datasets.labels import PALETTE
from sw_mmseg.running.blending import blended
from sw_mmseg.running.configs import build
from sw_mmseg.running.prediction import build_pipeline, meta_of, segment_pixels
from sw_mmseg.running.ready_weights import load_ready, ready_models
from sw_mmseg.whitening.layer import SwitchWhiten
from sw_mmseg.whitening.maths import INSTANCE

__all__ = ['LEARNT', 'SHOWN', 'Network', 'Switches', 'ready_networks', 'switched', 'white_layers']

SHOWN = {  # weights that come with the package -> title on the page
    'photographs': 'for photographs of streets',
    'streets_source': 'drawn streets: source only',
    'streets': 'drawn streets: adapted, BN',
    'streets_sw': 'drawn streets: adapted, SW',
}
LEAST = 1e-4  # of a ratio, so that its logarithm is finite


@dataclass(frozen=True)
class Switches:
    """Shares of the statistics of each image, 0 to 1, in the means and in the covariances; None: as learnt."""

    mean: float | None = None
    cov: float | None = None


LEARNT = Switches()


class Network:
    """A segmentor with its pipeline, classes and palette."""

    def __init__(self, title: str, model: nn.Module, config: Config) -> None:
        self.title, self.model = title, model.eval()
        self.lock = threading.RLock()  # held while the model has other switches or hooks: the page asks from threads
        dataset = config.test_dataloader.dataset
        self.meta: dict[str, Any] = build('data set', lambda: meta_of(dataset))
        if tuple(self.meta['classes']) == CAMVID_CLASSES:  # one colour a class in all pictures of the page
            self.meta = {**self.meta, 'palette': [PALETTE[index] for index in camvid_to_cityscapes()]}
        self.pipeline = build('pipeline', lambda: build_pipeline(dataset.pipeline, from_file=False))

    def labels(self, image: np.ndarray, alpha: float = 0.0, switches: Switches = LEARNT) -> np.ndarray:
        """H×W train ids of H×W×3 RGB pixels.

        Args:
            alpha: share of the image's own statistics in the running ones, see `running.blending`; a network that
                keeps none looks as ever.
            switches: in place of those that were learnt.
        """
        with self.lock, ExitStack() as stack:
            stack.enter_context(switched(self.model, switches))
            if alpha and running_layers(self.model):
                stack.enter_context(blended(self.model, alpha))
            return segment_pixels(self.model, self.pipeline, np.ascontiguousarray(image[..., ::-1]))

    def picture(self, image: np.ndarray, alpha: float = 0.0, switches: Switches = LEARNT) -> np.ndarray:
        """The image under the colours of its classes, H×(W + legend)×3 RGB."""
        labels, palette = self.labels(image, alpha, switches), self.meta['palette']
        return with_legend(overlay(image, labels, palette), labels, self.meta['classes'], palette)


def ready_networks(device: str = 'cpu') -> list[Network]:
    """Those of `SHOWN` that come with the package."""
    return [Network(title, *load_ready(name, device)) for name, title in SHOWN.items() if name in ready_models()]


def white_layers(model: nn.Module) -> dict[str, SwitchWhiten]:
    """The whitening layers by name, in the order of registration."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, SwitchWhiten)}


@contextmanager
def switched(model: nn.Module, switches: Switches) -> Iterator[None]:
    """Inside, every SW layer with statistics of images and of batches mixes them by these shares."""
    kept = []
    try:
        for layer in white_layers(model).values():
            for logits, share in ((layer.mean_logits, switches.mean), (layer.cov_logits, switches.cov)):
                if share is not None and (new := _logits(layer, share)) is not None:
                    kept.append((logits, logits.detach().clone()))
                    logits.data.copy_(new)
        yield
    finally:
        for logits, before in reversed(kept):
            logits.data.copy_(before)


def _logits(layer: SwitchWhiten, share: float) -> torch.Tensor | None:
    """Of ratios in which the images' statistics have `share` together; None where there is nothing to mix."""
    of_image = [word in INSTANCE for word in layer.statistics]
    count = sum(of_image)
    if count in (0, len(of_image)):
        return None
    share = min(max(share, LEAST), 1 - LEAST)
    ratios = [share / count if image else (1 - share) / (len(of_image) - count) for image in of_image]
    return torch.tensor(ratios).log()
