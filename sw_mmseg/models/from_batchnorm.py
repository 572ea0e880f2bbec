"""Starting whitening from a trained BatchNorm network without changing what the network computes.

A BatchNorm checkpoint fills weight, bias, mean and the diagonal of a whitening layer's covariance. Equal ratios would
then mix in statistics of single images, and few Newton iterations leave channels of small variance too small
(Equation 7 has not converged for them): the network is another at once. Here the batch statistic gets all but a
`1 - share` of the ratios, and γ takes up what the iteration lacks, so that in evaluation the layer is the BatchNorm.

What it costs: a saturated switch learns slowly, its gradient being proportional to share · (1 - share). And only where
Ω has 'bn' does training start as the BatchNorm, too; with 'bw' the first training step whitens.
"""

import math

import torch
from torch import Tensor, nn

from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d

__all__ = ['start_as_batchnorm', 'switching_layers']


def switching_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers of `model` that switch or whiten, by name."""
    kinds = (SwitchWhiten1d, SwitchWhiten2d, SwitchWhiten3d)
    return {name: module for name, module in model.named_modules() if isinstance(module, kinds)}


@torch.no_grad()
def start_as_batchnorm(layer: SwitchWhiten2d, share: float = 0.9999) -> None:
    """Makes a layer whose running covariance is diagonal, as it is after loading a BatchNorm, compute that BatchNorm.

    Args:
        layer: changed in place: its logits and, where it is affine, its weight.
        share: of the ratios that 'bn', or else 'bw', gets.

    Raises:
        ValueError: the layer has no batch statistic or no running ones, or `share` lies outside [0.5, 1).
    """
    words = layer.statistics
    chosen = next((word for word in ('bn', 'bw') if word in words), None)
    if chosen is None:
        raise ValueError(f'statistics {words} have neither bn nor bw: nothing of a BatchNorm can be kept')
    if layer.running_mean is None:
        raise ValueError('the layer has no running statistics (track_running_stats=False), which a BatchNorm goes by')
    if not 0.5 <= share < 1:
        raise ValueError(f'share={share} must lie in [0.5, 1)')
    gain = _diagonal_gain(layer, words.index(chosen))  # C
    ahead = math.log(share * (len(words) - 1) / (1 - share)) if len(words) > 1 else 0.0
    for logits in (layer.mean_logits, layer.cov_logits):
        logits.fill_(1.0)
        logits[words.index(chosen)] += ahead
    if layer.affine:
        variance = layer.running_cov.diagonal(dim1=-2, dim2=-1).flatten()
        layer.weight.mul_((variance + layer.eps).rsqrt() / gain)


def _diagonal_gain(layer: SwitchWhiten2d, chosen: int) -> Tensor:
    """By how much the layer's inverse square root scales each channel (C,), by the chosen statistic alone: its answer
    to x - μ = 1, without affine part."""
    saved = {name: value.clone() for name, value in layer.state_dict().items()}
    training = layer.training
    try:
        layer.eval()
        layer.running_mean.zero_()
        for logits in (layer.mean_logits, layer.cov_logits):
            logits.fill_(-1e4)  # beside the chosen one, a ratio of exactly zero
            logits[chosen] = 0.0
        if layer.affine:
            layer.weight.fill_(1.0)
            layer.bias.zero_()
        ones = torch.ones_like(layer.running_mean)
        rank = {SwitchWhiten1d: 3, SwitchWhiten3d: 5}.get(type(layer), 4)
        return layer.forward(ones.view(1, -1, *[1] * (rank - 2))).flatten()  # without the activation behind it
    finally:
        layer.load_state_dict(saved)
        layer.train(training)
