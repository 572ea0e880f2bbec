"""What a checkpoint file holds."""

import torch


def weights(path):
    checkpoint = torch.load(path, weights_only=False)
    return checkpoint['state_dict'], checkpoint['optimizer']


def equal(a, b):
    """Whether two nests of dicts, lists, tensors and numbers are the same to the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b
