"""The pipelines of a user's folders: which steps of a shipped config stay, and at what sizes images come."""

from __future__ import annotations

from collections.abc import Sequence

from sw_mmseg.own_images.folders import Checked, Folder

__all__ = ['common_crop', 'resizing', 'scaled', 'scaled_size', 'still_steps', 'training_steps']

OWN_STEPS = {'LoadImage', 'LoadLabels', 'Resize', 'RandomResize', 'RandomCrop', 'Pad', 'RandomFlip', 'PackSegInputs'}


def training_steps(folder: Folder, side: int, crop: tuple[int, int], shipped: Sequence[dict]) -> list[dict]:
    """A training pipeline without its last step: `shipped` for this folder's files and sizes, whose own augmentation
    stays. Where that scales at random, all images come out at the size of `crop`."""
    steps = {step['type']: step for step in shipped}
    extra = [step for step in shipped[:-1] if step['type'] not in OWN_STEPS]
    flip = {'type': 'RandomFlip', 'prob': 0.5}
    if 'RandomResize' in steps:
        height, width = crop
        return [
            *folder.loading(),
            {**steps['RandomResize'], 'scale': (16 * side, side)},
            {**steps['RandomCrop'], 'crop_size': (height, width)},
            {**steps['Pad'], 'size': (width, height)},
            flip,
            *extra,
        ]
    resized = [*folder.loading(), *resizing(side)]
    if any(h > crop[0] or w > crop[1] for h, w in scaled(folder, side)):
        resized.append({'type': 'RandomCrop', 'crop_size': tuple(crop)})
    return [*resized, flip, *extra]


def still_steps(folder: Folder, side: int) -> list[dict]:
    """A pipeline without chance that gives all images one size, the typical one: labels are kept for them, pixel by
    pixel. Images of another shape are stretched to it."""
    typical, *deviations = dict.fromkeys([scaled_size(folder.typical_size(), side), *scaled(folder, side)])
    if not deviations:
        return [*folder.loading(), *resizing(side)]
    return [*folder.loading(), {'type': 'Resize', 'scale': typical[::-1], 'keep_ratio': False}]


def scaled_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) of a (width, height) whose short side becomes `side`."""
    width, height = size
    return round(side * height / min(size)), round(side * width / min(size))


def scaled(folder: Folder, side: int) -> list[tuple[int, int]]:
    """Heights and widths of a folder's images, once their short side is `side`."""
    return [scaled_size(size, side) for size in folder.scan.sizes]


def common_crop(checked: Checked, side: int, crops: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The largest crop that every image of both domains has room for, and that neither domain's crop exceeds."""
    sizes = [*crops, *(size for folder in checked.trained for size in scaled(folder, side))]
    return min(h for h, _ in sizes), min(w for _, w in sizes)


def resizing(side: int) -> list[dict]:
    """The size at which the network looks: short side `side`, ratio kept, the long side at most 16 times as long.

    It stands in every pipeline, also where all images have that size, which it leaves as they are: prediction meets
    others.
    """
    return [{'type': 'Resize', 'scale': (16 * side, side), 'keep_ratio': True}]
