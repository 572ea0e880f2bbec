"""Position embeddings of timm's transformers at another size, by operators that every exporter of torch knows.

timm resamples them by torch's bicubic interpolation with antialiasing, for which ONNX's exporter has no operator. That
interpolation is separable and linear in the embeddings,

    P' = A_h P A_w',   A_ij ~ k((j + 1/2 - (i + 1/2) s) / max(s, 1)),   s = old length / new length

with rows of A that add up to 1, and Keys' kernel k of a = -1/2, which is 0 from 2 on. So P' is two products of
matrices, and A follows from the sizes alone, which a tracer may leave open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ['cubic_weights', 'positions_at', 'resampled_positions']

Length = int | Tensor  # a whole number, as a tensor where a tracer looks on


def cubic_weights(old: int, new: Length) -> Tensor:
    """A above: what each of `new` places takes of each of `old` ones, (new, old)."""
    scale = old / torch.as_tensor(new).float()
    centres = (torch.arange(new) + 0.5) * scale
    distance = (torch.arange(old) + 0.5 - centres[:, None]).abs() / scale.clamp_min(1.0)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
    return weights / weights.sum(1, keepdim=True)


def resampled_positions(positions: Tensor, old: Sequence[int], new: Sequence[Length], prefix: int) -> Tensor:
    """Embeddings (1, prefix + H W, C) of a grid of `old` height and width for one of `new`; those of `prefix` tokens
    stay."""
    grid = positions[0, prefix:].reshape(old[0], old[1], -1).float()  # H W C
    rows, columns = (cubic_weights(*sides).to(grid.device) for sides in zip(old, new))
    grid = torch.einsum('ij,jkc->ikc', rows, grid)
    grid = torch.einsum('lk,ikc->ilc', columns, grid)
    return torch.cat([positions[0, :prefix], grid.flatten(0, 1).to(positions.dtype)])[None]


@contextmanager
def positions_at(net: nn.Module, size: Sequence[Length]) -> Iterator[None]:
    """Inside, a transformer of timm built for images of any size takes images of `size`, whole patches high and wide,
    its positions resampled as above. One without such positions, or whose sizes are fixed, stays as it is."""
    positions = net._parameters.get('pos_embed')
    if positions is None or not getattr(net, 'dynamic_img_size', False):
        yield
        return
    embed = net.patch_embed
    grid = [side // length for side, length in zip(size, embed.patch_size)]
    prefix = 0 if getattr(net, 'no_embed_class', False) else net.num_prefix_tokens
    flatten = embed.flatten
    net._parameters['pos_embed'] = resampled_positions(positions, embed.grid_size, grid, prefix)
    net.dynamic_img_size, embed.flatten = False, True
    try:
        yield
    finally:
        net._parameters['pos_embed'] = positions
        net.dynamic_img_size, embed.flatten = True, flatten
