"""Features of a network, layer by layer, from pictures of a domain, few enough to keep and enough to compare.

A layer is a convolution, with the norm behind it where there is one, and a ReLU: the values that the paper's Figure 3
compares in VGG16. In networks that add a shortcut before they rectify, such as a ResNet's last convolution of a block,
it is the branch alone, rectified. Which norm stands behind which convolution is seen from a forward pass, not from
names: a norm belongs to the convolution whose very output it takes.

Of each picture a layer gives K pixels at random, the same for every network; the same pixels with the picture's own
mean and deviation of every channel removed (content: instance normalisation); and those means and deviations (style).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw_mmseg.analysis.observed import observed
from sw_mmseg.whitening.placement import SHORTCUTS, is_norm

__all__ = ['LayerFeatures', 'TracedLayer', 'collect_features', 'traced_layers']

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
EPS = 1e-5


class TracedLayer(NamedTuple):
    """Names in the model: a convolution, and the module whose output is read, the norm behind it or itself."""

    convolution: str
    output: str


class LayerFeatures(NamedTuple):
    """Of P pictures: K pixels (P, K, C), the same instance-normalised, and style (P, 1, 2C): means, deviations."""

    pixels: Tensor
    content: Tensor
    style: Tensor


def traced_layers(model: nn.Module, forward: Callable[[], object]) -> list[TracedLayer]:
    """The convolutions that `forward()` runs, in that order, each once; those of shortcuts left out.

    Raises:
        ValueError: it runs none.
    """
    outputs: list[tuple[str, Tensor]] = []  # holds the tensors, so that none takes another's place in memory
    behind: dict[str, str] = {}

    def after_convolution(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            outputs.append((name, output))

        return hook

    def after_norm(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            source = next((conv for conv, value in reversed(outputs) if value is inputs[0]), None)
            if source is not None:
                behind.setdefault(source, name)

        return hook

    handles = [
        module.register_forward_hook(make(name))
        for name, module in model.named_modules()
        for chosen, make in ((isinstance(module, CONVOLUTIONS), after_convolution), (is_norm(module), after_norm))
        if chosen
    ]
    with observed(model, handles):
        forward()
    names = [
        name for name in dict.fromkeys(name for name, _ in outputs) if frozenset(SHORTCUTS).isdisjoint(name.split('.'))
    ]
    if not names:
        raise ValueError(f'{type(model).__name__} ran no convolution')
    return [TracedLayer(name, behind.get(name, name)) for name in names]


def collect_features(
    model: nn.Module,
    layers: Sequence[TracedLayer],
    pictures: Iterable[object],
    forward: Callable[[object], object],
    pixels: int = 16,
    seed: int = 0,
) -> dict[str, LayerFeatures]:
    """Convolution -> its features of every picture, on the CPU in fp32.

    Args:
        pictures: each is passed to `forward`, which runs the model on it, one picture at a time.
        pixels: K; a layer with fewer pixels gives all it has.
        seed: of the places.

    Raises:
        ValueError: no pictures, a layer did not run, or a picture brought several samples.
    """
    collected: dict[str, list[LayerFeatures]] = {layer.convolution: [] for layer in layers}
    count = 0

    def reader(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if len(collected[name]) == count:  # at its first call for this picture
                collected[name].append(_read(output, pixels, seed + count))

        return hook

    modules = dict(model.named_modules())
    handles = [modules[layer.output].register_forward_hook(reader(layer.convolution)) for layer in layers]

    with observed(model, handles):
        for picture in pictures:
            forward(picture)
            count += 1
            silent = [name for name, features in collected.items() if len(features) < count]
            if silent:
                raise ValueError(f'{silent[:3]} did not run: the pictures take another way through the network')
    if not count:
        raise ValueError('no pictures to take features of')
    return {name: _stacked(features) for name, features in collected.items()}


def _read(output: Tensor, pixels: int, seed: int) -> LayerFeatures:
    """Of a layer's output (1, C, *) before its ReLU."""
    if len(output) != 1:
        raise ValueError(f'one picture at a time, not {len(output)}')
    values = output.detach()[0].flatten(1).float().relu()  # C L
    deviations, means = torch.std_mean(values, -1, correction=0)
    chosen = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(seed))[:pixels]
    sampled = values[:, chosen.to(values.device)].T  # K C
    content = (sampled - means) / (deviations.square() + EPS).sqrt()
    return LayerFeatures(sampled.cpu(), content.cpu(), torch.cat([means, deviations])[None].cpu())


def _stacked(features: Sequence[LayerFeatures]) -> LayerFeatures:
    """One of many; of pictures with fewer pixels than others, that many are taken of all."""
    fewest = min(len(one.pixels) for one in features)
    return LayerFeatures(
        torch.stack([one.pixels[:fewest] for one in features]),
        torch.stack([one.content[:fewest] for one in features]),
        torch.stack([one.style for one in features]),
    )
