"""What the switches would choose where the network is used: importance ratios re-estimated after training.

Ratios are learnt on the source, where batch statistics describe every image well; elsewhere running statistics may not.
A few steps move the logits of every switch, and nothing else, in evaluation mode, so that the ratios weigh running
statistics against those of the image, as they will when the network predicts. By one of two objectives:

- on unlabelled target images, predictions that are sure of each pixel and diverse over all of them (the mutual
  information of InfoMax; Tent adapts every affine parameter by its first half); re-estimate the running statistics
  first:

      L = mean_pixels H(p) - H(mean_pixels p),   H in units of log K

- on labelled source images whose light and colours are disturbed, the network's own loss (`DisturbedSource`): no image
  of the target is needed, since that running statistics do not describe an image can be learnt on any.

The paper has nothing like them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from sw_mmseg.adaptation.base import evaluating
from sw_mmseg.adaptation.estimate import forward_of
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.losses import normalised_entropy
from sw_mmseg.models.wrappers import unwrap

__all__ = ['DisturbedSource', 'certainty_and_diversity', 'estimate_switches', 'switch_logits']

LOGITS = ('mean_logits', 'cov_logits')


def switch_logits(model: nn.Module) -> list[nn.Parameter]:
    """The logits of every SW layer of `model`, each once where layers or kinds share them."""
    return list(
        {
            id(parameter): parameter
            for name, parameter in model.named_parameters()
            if name.rpartition('.')[2] in LOGITS
        }.values()
    )


def certainty_and_diversity(logits: Tensor) -> Tensor:
    """L above, of logits (N, K, h, w); -1 (sure and diverse) to 0."""
    mean = logits.float().softmax(1).mean((0, 2, 3), keepdim=True)  # 1 K 1 1
    return normalised_entropy(logits).mean() - normalised_entropy(mean.clamp_min(1e-12).log()).mean()


class DisturbedSource:
    """The loss of a segmentor, or of that inside an adaptation model, on labelled images in other light and colours.

    Args:
        photometric: how strongly they are disturbed.
        seed: of the disturbances; every batch draws its own.
    """

    def __init__(self, photometric: Photometric | None = None, seed: int = 0) -> None:
        self.photometric, self.seed, self.batches = photometric or Photometric(), seed, 0

    def __call__(self, model: BaseModel, batch: dict) -> Tensor:
        """Of a batch as the model's loaders give it, of one domain or of two."""
        data = model.data_preprocessor(batch.get('source', batch), True)
        generators = image_generators('disturbed source', self.seed, self.batches, len(data['inputs']))
        self.batches += 1
        images = self.photometric(data['inputs'], generators, model.data_preprocessor)
        segmentor = unwrap(getattr(model, 'segmentor', model))
        return segmentor.parse_losses(segmentor.loss(images, data['data_samples']))[0]


def estimate_switches(
    model: nn.Module,
    batches: Iterable[Any],
    lr: float = 0.05,
    forward: Callable[[Any], Any] | None = None,
    objective: Callable[[Any, Any], Tensor] | None = None,
) -> list[float]:
    """Moves the switches of `model` by one Adam step a batch; weights and buffers stay. Labels are read only by an
    objective that does.

    Args:
        model: any network with SW layers; an mmseg segmentor or an adaptation model takes batches as its loaders give.
        batches: as for `estimate_statistics`.
        lr: of Adam, on logits: 0.05 moves a ratio by about a hundredth a step.
        forward: gives the logits (N, K, h, w) of a batch; the default takes the main head's.
        objective: L of the model and a batch, such as a `DisturbedSource`; by default certainty and diversity.

    Returns:
        L of every batch, before its step; empty where the network has no switches, whose batches are then not read.

    Raises:
        ValueError: there are switches and no batch.
        FloatingPointError: L is no number; the switches are put back.
    """
    model = unwrap(model)
    logits = [parameter for parameter in switch_logits(model) if parameter.numel() > 1]
    if not logits:
        return []
    before = [parameter.detach().clone() for parameter in logits]
    optimizer, losses, ask = torch.optim.Adam(logits, lr), [], forward or forward_of(model)
    loss_of = objective or (lambda model, batch: certainty_and_diversity(_main(ask(batch))))
    with evaluating(model), _only_learning(model, logits):
        for batch in batches:
            loss = loss_of(model, batch)
            if not loss.isfinite():
                _put_back(logits, before)
                raise FloatingPointError('predictions of a batch are no numbers; the switches are as they were')
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    if not losses:
        raise ValueError('estimate_switches was given no batch: the images of the domain are missing')
    return losses


@contextmanager
def _only_learning(model: nn.Module, chosen: list[nn.Parameter]) -> Iterator[None]:
    """Inside, no parameter of `model` but the chosen ones learns; outside, all do that did, and none has a gradient."""
    learning = {id(parameter): parameter.requires_grad for parameter in model.parameters()}
    try:
        model.requires_grad_(False)
        for parameter in chosen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in model.parameters():
            parameter.requires_grad_(learning[id(parameter)])
            parameter.grad = None


@torch.no_grad()
def _put_back(logits: list[nn.Parameter], values: list[Tensor]) -> None:
    for p, value in zip(logits, values):
        p.copy_(value)


def _main(outputs: Any) -> Tensor:
    """Logits of the main head."""
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
