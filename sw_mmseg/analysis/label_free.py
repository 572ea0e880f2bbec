"""Which checkpoint, without a label? Scores of unlabelled predictions that are said to follow their quality.

    entropy           mean over pixels of H(p) / log K; lower is taken for better (Vu et al., 2019)
    information       H(mean p) - mean H(p), in units of log K: sure about each pixel and diverse over all; higher
                      (the mutual information of InfoMax; Musgrave et al., 2022)
    neighbourhoods    soft neighbourhood density (Saito et al., ICCV 2021): how many like-minded pixels a pixel has;
                      higher

Each is taken over a fixed random sample of pixels of every image. No counterpart in the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['CRITERIA', 'LabelFree', 'entropy', 'information', 'neighbourhood_density']

CRITERIA = {'entropy': -1, 'information': 1, 'neighbourhoods': 1}  # name -> 1 if higher is taken for better


def entropy(probabilities: Tensor) -> Tensor:
    """(n, K) to (n,): Shannon entropy over log K, 0 (sure) to 1; p log p is 0 at p = 0."""
    return -torch.special.xlogy(probabilities, probabilities).sum(1) / math.log(probabilities.shape[1])


def information(probabilities: Tensor) -> float:
    """(n, K): entropy of the mean prediction less the mean entropy; 0 to 1."""
    return float(entropy(probabilities.mean(0, keepdim=True))[0] - entropy(probabilities).mean())


def neighbourhood_density(probabilities: Tensor, temperature: float = 0.05) -> float:
    """(n, K): mean over pixels of the entropy of softmax(cosine similarity to the other pixels / temperature).

    Between 0 (one neighbour each) and log(n - 1) (all alike).
    """
    unit = F.normalize(probabilities, dim=1)
    similarity = unit @ unit.T / temperature  # n n
    mask = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    rows = similarity[mask].view(len(unit), -1).log_softmax(1)  # n n-1
    return float(-(rows.exp() * rows).sum(1).mean())


@dataclass
class LabelFree:
    """Collects sampled pixels of images one by one.

    Args:
        pixels: sampled of each image, the same places whatever the network.
        seed: of the places.
    """

    pixels: int = 32
    seed: int = 0
    _samples: list[Tensor] = field(default_factory=list)

    def add(self, logits: Tensor) -> None:
        """Logits (K, H, W) of one image."""
        flat = logits.flatten(1)  # K HW
        generator = torch.Generator().manual_seed(self.seed + len(self._samples))
        places = torch.randint(flat.shape[1], (self.pixels,), generator=generator).to(flat.device)
        self._samples.append(flat[:, places].T.float().softmax(1).cpu())  # n K

    def scores(self) -> dict[str, float]:
        """Criterion -> value.

        Raises:
            ValueError: no image was added.
        """
        if not self._samples:
            raise ValueError('no image was added')
        pixels = torch.cat(self._samples)
        return {
            'entropy': float(entropy(pixels).mean()),
            'information': information(pixels),
            'neighbourhoods': neighbourhood_density(pixels),
        }
