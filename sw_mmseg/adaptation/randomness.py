"""Random numbers of a training step that a resumed run draws again: they follow from the step, not from the past."""

import torch
from mmengine.dist import get_rank

__all__ = ['step_generator']


def step_generator(seed: int, iteration: int) -> torch.Generator:
    """A generator on the processor for one iteration of this process; other iterations and processes get others.

    What is drawn from it is moved to the device of the images, so that any device gets the same numbers.
    """
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + iteration) * 1_009 + get_rank())
    return generator
