"""Fourier amplitude exchange (FDA; Yang and Soatto, CVPR 2020): a source picture in the colours and light of a target.

    source'  =  F^-1( |F(target)| at low frequencies, |F(source)| elsewhere;  phase of F(source) )

Low are the frequencies of up to beta H cycles a picture from top to bottom and beta W from left to right: what a
picture's phase keeps is where things are, what its low amplitudes hold is mostly how they are lit. Labels stay true.

Departure: sizes may differ. The target counts as if it were brought to the source's size: the same number of cycles a
picture is the same frequency, and amplitudes grow with the number of pixels.
"""

import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor

__all__ = ['FourierAmplitude', 'exchange_amplitude']


def exchange_amplitude(source: Tensor, target: Tensor, beta: float) -> Tensor:
    """`source` (C, H, W) with the low amplitudes of `target` (C, h, w); floating point, not clipped."""
    (height, width), size = source.shape[-2:], target.shape[-2:]
    high = min(int(beta * height), (height - 1) // 2, (size[0] - 1) // 2)  # cycles, below what both can show
    wide = min(int(beta * width), (width - 1) // 2, (size[1] - 1) // 2)
    rows = torch.arange(-high, high + 1)
    spectrum, other = torch.fft.rfft2(source), torch.fft.rfft2(target)  # C H W//2+1: the other half is conjugate
    low = spectrum[:, rows % height, : wide + 1]
    amplitude = other[:, rows % size[0], : wide + 1].abs() * (height * width / (size[0] * size[1]))
    spectrum[:, rows % height, : wide + 1] = torch.polar(amplitude, low.angle())
    return torch.fft.irfft2(spectrum, (height, width))


@TRANSFORMS.register_module()
class FourierAmplitude:
    """For `DomainPair(source_style=...)`.

    Args:
        beta: share of each side, 0 to below 0.5, see above; 0 exchanges the mean colour alone. The paper takes 0.01,
            0.05 and 0.09 for pictures of 1024x512.
    """

    def __init__(self, beta: float = 0.01) -> None:
        if not 0 <= beta < 0.5:
            raise ValueError(f'beta={beta} must lie between 0 and below 0.5')
        self.beta = beta

    def __call__(self, source: Tensor, target: Tensor) -> Tensor:
        """Pictures (3, H, W) and (3, h, w) of values 0 to 255 to one as the first, of its type."""
        styled = exchange_amplitude(source.float(), target.float(), self.beta).clamp(0, 255)
        return styled if source.is_floating_point() else styled.round().to(source.dtype)
