"""A trained checkpoint made small: parameters in half precision, xz-compressed, nothing in it but the network.

Each parameter is stored in fp16. In matrices and kernels, all of a row (what makes one output channel) are rounded to
one step, r = 2^(⌊log₂ max|w|⌋ − bits), where fp16 has bits = 10 at the row's largest value: small values keep fewer
digits, as they would in fixed point of bits + 2 bits with a scale a row, and files are a third smaller. Running
statistics and counters stay as they are.
"""

from __future__ import annotations

import hashlib
import io
import lzma

import torch
from torch import Tensor

from sw_mmseg.adaptation import without_wrappers

__all__ = ['BITS', 'halved', 'network_of', 'packed']

BITS = 7
PART = 'segmentor.'  # of an adaptation model
STYLE = 'network.'
# of 16-bit numbers: an even and an odd byte each have their own probabilities
FILTERS = [{'id': lzma.FILTER_LZMA2, 'preset': 6, 'lc': 3, 'lp': 1, 'pb': 1}]


def network_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the network that predicts, of a checkpoint of itself, of an adaptation model, or of a style, whose
    loss network stays behind."""
    names = {without_wrappers(key): value for key, value in state.items()}
    if style := {key: value for key, value in names.items() if key.startswith(STYLE)}:
        return style
    inside = {key.removeprefix(PART): value for key, value in names.items() if key.startswith(PART)}
    return inside or names


def halved(state: dict[str, Tensor], bits: int = BITS) -> dict[str, Tensor]:
    """`state` with its parameters rounded and in fp16; statistics, and what is not floating point, unchanged.

    Args:
        bits: of a row's largest value behind its leading one.

    Raises:
        ValueError: a value is not finite, or too large for fp16.
    """
    return {key: value.clone() if _kept(key, value) else _rounded(key, value, bits) for key, value in state.items()}


def packed(state: dict[str, Tensor]) -> tuple[bytes, str, int]:
    """The content of a file NAME.pth.xz, and SHA-256 and length of the checkpoint in it."""
    stream = io.BytesIO()
    torch.save({'state_dict': state}, stream)
    content = stream.getvalue()
    small = lzma.compress(content, format=lzma.FORMAT_XZ, filters=FILTERS)
    return small, hashlib.sha256(content).hexdigest(), len(content)


def _kept(key: str, value: Tensor) -> bool:
    return not value.is_floating_point() or key.rpartition('.')[2].startswith('running_')


def _rounded(key: str, value: Tensor, bits: int) -> Tensor:
    value = value.float()
    largest = value.abs().flatten(1).amax(1) if value.dim() > 1 else value.abs()
    if not bool((largest <= torch.finfo(torch.float16).max).all()):
        raise ValueError(f'{key} holds values that half precision cannot: up to {float(largest.max()):g}')
    if value.dim() < 2:
        return value.half()
    step = torch.exp2(largest.clamp_min(2.0**-14).log2().floor() - bits)  # below 2^-14 fp16 loses digits
    step = step.view(-1, *[1] * (value.dim() - 1))
    return ((value / step).round() * step).half()
