"""Running statistics mixed with those of the image that is looked at, without any training.

For every layer that keeps running statistics, BatchNorm and the batch part of Switchable Whitening alike:

    μ = (1 − α) μ_running + α μ_image,    Σ = (1 − α) Σ_running + α Σ_image

with the variances in Σ's place in BatchNorm. α = 0 is evaluation as ever, α = 1 takes the image's own statistics. This
is the mixing of α-BN (You, Li and Zhao: Test-time batch statistics calibration for covariate shift, 2021) and of SaN
(Bahmani et al.: Semantic self-adaptation, 2022), where 0.1 to 0.2 helped. Σ_image is unbiased, as running ones are, so
that the mixture is what running statistics become by one image of momentum α. The image part of a switchable layer
('iw', 'in', 'ln') stays as it is.

'auto' takes no α: it looks with each of `ALPHAS`, and averages their class probabilities at each pixel,

    p = Σ_α w_α p_α,    w_α ∝ exp(−H(p_α)),    H in nats,

so that the sure ones count most. It takes as many forward passes. That weighing is not in those papers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sw_mmseg.adaptation import running_layers
from sw_mmseg.running.errors import UserError

__all__ = ['ALPHAS', 'add_blend', 'blend_suffix', 'blended', 'blended_statistics', 'weigh']

AUTO = 'auto'
ALPHAS = (0.0, 0.1, 0.2, 0.4)


def add_blend(parser: argparse.ArgumentParser) -> None:
    """The option of commands that predict."""
    parser.add_argument(
        '--blend',
        type=_alpha,
        metavar='A|auto',
        help="mix running statistics with the image's own, without training: (1 - A) running + A image, A from 0 to 1, "
        f'such as 0.1; auto: predictions with A = {", ".join(f"{a:g}" for a in ALPHAS)}, averaged, the surest most',
    )


def blend_suffix(alpha: float | str | None) -> str:
    """What stands behind the name of a checkpoint in files of results: '', '_blend0.1', '_blendauto'."""
    return '' if alpha is None else f'_blend{alpha}' if alpha == AUTO else f'_blend{alpha:g}'


def _alpha(text: str) -> float | str:
    if text == AUTO:
        return text
    try:
        alpha = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text} is neither a number nor {AUTO}') from error
    if not 0 <= alpha <= 1:
        raise argparse.ArgumentTypeError(f'{text} does not lie between 0 and 1')
    return alpha


@contextmanager
def blended(model: nn.Module, alpha: float | str | None) -> Iterator[None]:
    """Inside, `model` predicts with blended statistics; with `alpha` None, as ever.

    Raises:
        UserError: the network keeps no running statistics, or 'auto' and it is no segmentor of several classes.
    """
    with ExitStack() as stack:
        if alpha == AUTO:
            if not running_layers(model):
                _nothing_to_blend()
            for segmentor in _segmentors(model):
                stack.enter_context(_replaced(segmentor, 'encode_decode', partial(_averaged, segmentor)))
        elif alpha is not None:
            stack.enter_context(blended_statistics(model, float(alpha)))
        yield


@contextmanager
def blended_statistics(model: nn.Module, alpha: float) -> Iterator[None]:
    """Inside, layers of `model` in evaluation mode normalise each image with its statistics blended into the running
    ones by `alpha`. Their buffers stay. Raises UserError where no layer has running statistics."""
    layers = running_layers(model)
    if not layers:
        _nothing_to_blend()
    with ExitStack() as stack:
        for layer in layers.values():
            stack.enter_context(_replaced(layer, 'forward', partial(_normalised, layer, layer.forward, alpha)))
        yield


def _nothing_to_blend() -> None:
    raise UserError(
        '--blend: the network keeps no running statistics (its norms are those of each image, or of layers): there is '
        'nothing to blend'
    )


@contextmanager
def _replaced(module: nn.Module, name: str, function: Callable) -> Iterator[None]:
    """Inside, `module` has `function` in place of its method, unless something else was put there."""
    before = module.__dict__.get(name)
    setattr(module, name, function)
    try:
        yield
    finally:
        delattr(module, name)
        if before is not None:
            setattr(module, name, before)


def _normalised(layer: _BatchNorm, forward: Callable[[Tensor], Tensor], alpha: float, images: Tensor) -> Tensor:
    """The layer's output (N, C, *), each image with statistics of its own."""
    if layer.training or layer.running_mean is None:
        return forward(images)
    kind = 'running_cov' if getattr(layer, 'running_cov', None) is not None else 'running_var'
    running = layer.running_mean, layer.get_buffer(kind)
    outputs = []
    try:
        for image in images.split(1):
            mean, spread = _moments(image, running[1])
            layer.running_mean = torch.lerp(running[0], mean.to(running[0].dtype), alpha)
            setattr(layer, kind, torch.lerp(running[1], spread.to(running[1].dtype), alpha))
            outputs.append(forward(image))
    finally:
        layer.running_mean = running[0]
        setattr(layer, kind, running[1])
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _moments(image: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and unbiased variance (C,) or covariance (G, D, D), in the shape of `like`, of an image (1, C, *)."""
    pixels = image.to(torch.promote_types(image.dtype, torch.float32)).flatten(2)[0]  # C L
    count = max(pixels.shape[1] - 1, 1)  # of a single pixel the variance is 0
    mean = pixels.mean(1)
    deviation = pixels - mean[:, None]
    if like.dim() == 1:
        return mean, deviation.square().sum(1) / count
    grouped = deviation.view(*like.shape[:2], -1)  # G D L
    return mean, grouped @ grouped.transpose(-2, -1) / count


def _segmentors(model: nn.Module) -> list[EncoderDecoder]:
    segmentors = [module for module in model.modules() if isinstance(module, EncoderDecoder)]
    if not segmentors or any(segmentor.out_channels < 2 for segmentor in segmentors):
        raise UserError(f'--blend {AUTO} is for segmentors of two or more classes: give a number')
    return segmentors


def _averaged(segmentor: EncoderDecoder, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
    """What stands for `segmentor.encode_decode`: logarithms of the averaged probabilities (N, K, H, W)."""
    probabilities = []
    for alpha in ALPHAS:
        with blended_statistics(segmentor, alpha):
            logits = type(segmentor).encode_decode(segmentor, inputs, batch_img_metas)
        probabilities.append(logits.float().softmax(1))
    return weigh(torch.stack(probabilities)).clamp_min(1e-12).log()


def weigh(probabilities: Tensor) -> Tensor:
    """The average over the first dimension of probabilities (A, N, K, H, W), weighed by entropy: p above."""
    entropy = torch.special.entr(probabilities).sum(2, keepdim=True)  # A N 1 H W
    return ((-entropy).softmax(0) * probabilities).sum(0)
