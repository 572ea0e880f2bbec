"""What a checkpoint file holds."""

import torch


def weights(path):
    checkpoint = torch.load(path, weights_only=False)
    return checkpoint['state_dict'], checkpoint['optimizer']
