"""ClassMix (Olsson et al., 2021), as DACS uses it across domains: classes cut out of one image, pasted onto another.

Half of the classes that a source image shows, rounded up, are pasted onto a target image, with their labels. The
ignored label is no class and is never pasted, so that the mixed image has a label everywhere.
"""

import torch
from torch import Tensor

__all__ = ['choose_classes', 'class_masks', 'paste']


def choose_classes(labels: Tensor, generator: torch.Generator, ignore_index: int = 255) -> Tensor:
    """Half of the classes in `labels`, rounded up, at random: (ceil(n / 2),), none where there is none."""
    classes = labels[labels != ignore_index].unique()
    order = torch.randperm(len(classes), generator=generator).to(labels.device)
    return classes[order[: (len(classes) + 1) // 2]]


def class_masks(labels: Tensor, generators: list[torch.Generator], ignore_index: int = 255) -> Tensor:
    """Which pixels of each image belong to the classes chosen for it: labels (N, H, W) to bool (N, H, W)."""
    chosen = (choose_classes(image, generator, ignore_index) for image, generator in zip(labels, generators))
    return torch.stack([torch.isin(image, classes) for image, classes in zip(labels, chosen)])


def paste(masks: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """`source` where `masks` (N, H, W) is true, else `target`; images (N, C, H, W), or maps (N, H, W)."""
    return torch.where(masks[:, None] if source.ndim == 4 else masks, source, target)
