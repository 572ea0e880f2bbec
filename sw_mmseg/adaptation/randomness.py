"""Random numbers of a training step that a resumed run draws again: they follow from the step, not from the past."""

import random

import torch
from mmengine.dist import get_rank

__all__ = ['image_generators']


def image_generators(use: str, seed: int, iteration: int, count: int) -> list[torch.Generator]:
    """A generator on the processor for each of this process's `count` images of one iteration.

    It follows from the image's number in the joined batch of all processes, so that several processes draw what one
    would; and from `use`, so that what one purpose draws does not depend on the others.
    """
    first = get_rank() * count
    seeds = (random.Random(repr((use, seed, iteration, first + index))).getrandbits(63) for index in range(count))
    return [torch.Generator().manual_seed(number) for number in seeds]
