"""Inputs and tolerances of the Triton cases, and helpers to compare with fp64."""

import torch

from .conftest import INTERPRETED

F, B, H = torch.float32, torch.bfloat16, torch.float16
# of what is fp32 throughout; of sums of half-precision values, rounded to TF32; of outputs (the interpreter truncates
# where a GPU rounds)
FULL, ROUNDED, OUTPUT = 2e-6, 1e-3, {F: 2e-6, B: 2**-7 if INTERPRETED else 2**-8, H: 2**-10}
# samples, groups, D, pixels, dtype, channels_last
CASES = [
    (3, 5, 1, (20, 15), F, False),
    (1, 70, 1, (8, 8), B, True),
    (1, 3, 1, (1, 1), H, False),
    (3, 3, 1, (7, 1), F, True),
    (2, 9, 2, (7, 1), F, False),
    (1, 3, 2, (20, 15), B, True),
    (3, 6, 3, (8, 8), F, True),
    (1, 2, 3, (20, 15), H, False),
    (2, 4, 5, (8, 8), F, False),
    (1, 1, 5, (1, 1), F, True),
    (1, 3, 8, (20, 15), F, True),
    (3, 2, 8, (7, 1), B, False),
    (3, 2, 16, (20, 15), F, False),
    (2, 2, 16, (20, 15), F, True),
    (2, 1, 16, (20, 15), B, False),
    (2, 2, 16, (8, 8), H, True),
    (2, 2, 16, (1, 1), F, False),
    (0, 2, 16, (8, 8), F, False),
    (0, 2, 1, (8, 8), F, True),
    (1, 2, 20, (20, 15), F, True),
    (2, 1, 20, (8, 8), B, False),
    (1, 1, 32, (20, 15), F, False),
    (2, 2, 32, (7, 1), H, True),
    (1, 1, 64, (8, 8), F, True),
    (1, 1, 64, (20, 15), B, False),
    (1, 1, 64, (1, 1), F, True),
    (2, 2, 4, (4, 3, 5), F, True),
    (2, 2, 16, (), F, False),
    (2, 3, 6, (11,), F, False),  # 3d, no pixels, 1d
]


def ids(case):
    n, g, d, spatial, dtype, last = case
    return f'N{n} G{g} D{d} {"x".join(map(str, spatial))} {str(dtype)[6:]}{" last" if last else ""}'


def draw(case, mean=0.5):
    n, g, d, spatial, dtype, last = case
    x = (torch.randn(n, g * d, *spatial) + mean).to(dtype)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.dim()]) if last else x


def slices(x, d):
    """(N, G, D, L) in fp64."""
    return x.double().reshape(x.shape[0], x.shape[1] // d, d, x[0, 0].numel() if len(x) else 1)


def close(value, exact, tolerance, least=1e-30):
    """No difference may be more than `tolerance` of the largest value, or of `least`."""
    assert value.shape == exact.shape and torch.isfinite(value).all()
    if exact.numel():
        assert (value.double() - exact).abs().max() <= tolerance * exact.abs().max().clamp_min(least)


def small(*shape):
    return torch.randn(*shape)
