"""What whitening does to a feature: correlations of its channels before and after, as pictures."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor

from sw_mmseg.app.networks import LEARNT, Network, Switches, white_layers
from sw_mmseg.running.errors import UserError

__all__ = ['before_and_after', 'correlations', 'heat_map', 'off_diagonal']

SHOWN_SIDE = 384  # pixels of a heat map


def before_and_after(
    network: Network, name: str, image: np.ndarray, switches: Switches = LEARNT
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations (C, C) of the channels that go into a whitening layer, and of what comes out of it.

    Raises:
        UserError: the network has no such layer.
    """
    layers = white_layers(network.model)
    if name not in layers:
        raise UserError(f'{network.title} has no whitening layer {name!r}')
    seen: list[Tensor] = []
    with network.lock:  # else what another thread asks of the network would be seen
        handle = layers[name].register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0], output)))
        try:
            network.labels(image, switches=switches)
        finally:
            handle.remove()
    before, after = seen[:2]
    return correlations(before), correlations(after)


def correlations(feature: Tensor) -> np.ndarray:
    """(C, C) of a feature (1, C, H, W) over its pixels; 0 for channels that are constant."""
    values = feature[0].detach().double().flatten(1)
    values = values - values.mean(1, keepdim=True)
    cov = values @ values.T
    scale = cov.diagonal().clamp_min(torch.finfo(torch.float64).tiny).sqrt()
    return (cov / scale / scale[:, None]).cpu().numpy()


def off_diagonal(matrix: np.ndarray, group: int) -> float:
    """Mean |correlation| of two channels of one group."""
    blocks = [matrix[i : i + group, i : i + group] for i in range(0, len(matrix), group)]
    pairs = ~np.eye(group, dtype=bool)
    return float(np.mean([np.abs(block[pairs]).mean() for block in blocks])) if group > 1 else 0.0


def heat_map(matrix: np.ndarray) -> np.ndarray:
    """(H, H, 3) uint8 RGB: white is 0, red 1, blue -1; whole pixels an entry."""
    colours = colormaps['RdBu_r']((np.clip(matrix, -1, 1) + 1) / 2)[..., :3]
    repeat = max(1, SHOWN_SIDE // len(matrix))
    return np.rint(colours * 255).astype(np.uint8).repeat(repeat, 0).repeat(repeat, 1)
