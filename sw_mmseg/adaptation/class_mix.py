"""ClassMix (Olsson et al., 2021), as DACS uses it across domains: classes cut out of one image, pasted onto another.

Half of the classes that a source image shows, rounded up, are pasted onto a target image, with their labels. The
ignored label is no class and is never pasted, so that the mixed image has a label wherever the target image has one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ['choose_classes', 'class_masks', 'mix_classes', 'paste', 'truth']


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
    """`source` where `masks` (N, H, W) is true, else `target`; images (N, C, H, W), or maps (N, H, W); or of one, all
    without N."""
    return torch.where(masks[:, None] if source.ndim == 4 else masks, source, target)


def mix_classes(
    source: tuple[Tensor, Tensor],
    target: tuple[Tensor, Tensor],
    generators: Sequence[torch.Generator],
    ignore_index: int = 255,
) -> tuple[Tensor, Tensor]:
    """New target images and labels with half of the classes of one source image each; domains may differ in size.

    Where they do, parts of one size, the largest that both have, meet at places drawn at random. Target images beyond
    the number of source images stay as they are.

    Args:
        source: images (N, 3, H, W) and labels (N, H, W).
        target: images (M, 3, h, w) and labels (M, h, w).
        generators: M of them, one for each target image.
        ignore_index: the label that is no class.
    """
    images, labels = target[0].clone(), target[1].to(source[1].dtype, copy=True)
    shapes = source[1].shape[1:], labels.shape[1:]
    size = [min(sides) for sides in zip(*shapes)]
    for index, generator in enumerate(generators[: len(source[0])]):
        piece, place = (_window(shape, size, generator) for shape in shapes)
        known = source[1][index][piece]
        mask = class_masks(known[None], [generator], ignore_index)[0]
        image, label = images[index, :, place[0], place[1]], labels[index][place]
        image.copy_(paste(mask, source[0][index, :, piece[0], piece[1]], image))
        label.copy_(paste(mask, known, label))
    return images, labels


def _window(shape: Sequence[int], size: Sequence[int], generator: torch.Generator) -> tuple[slice, ...]:
    """A part of `size`, rows and columns, anywhere in an image of `shape`; nothing is drawn where it is the whole."""
    first = (
        int(torch.randint(full - part + 1, (), generator=generator)) if full > part else 0
        for full, part in zip(shape, size)
    )
    return tuple(slice(start, start + part) for start, part in zip(first, size))


def truth(source: dict) -> Tensor:
    """The labels (N, H, W) of a preprocessed labelled batch."""
    return torch.stack([sample.gt_sem_seg.data[0] for sample in source['data_samples']])
