"""Tuning a frozen vision transformer with few parameters: LoRA in its linear layers, or tokens behind its blocks.

    LoRA (Hu et al., 2022)    y = W x + b + s · B A x, with A (r, in) and B (out, r); B starts at zero
    tokens (Rein, Wei et al., CVPR 2024, Sec. 3)
        T_i = P_i Q_i                                   m tokens of block i, of rank r
        S_i = softmax(f_i T_i' / sqrt(C))               how much each feature looks at each token
        f_i <- f_i + W_f (f_i + S_i (W_T T_i + b_T)) + b_f      W_f and b_f start at zero

At the start either network is the frozen one. Departures from Rein: W_f starts at zero, every token takes part, and no
queries for a mask decoder are made of the tokens. W_T and W_f are shared by all blocks, as there. Class and register
tokens are left as they are.

Why no `peft`: its LoRA serves custom models, timm's among its examples, but it depends on transformers, accelerate and
what these bring, for two matrices a layer; it wraps layers under other names, so that a file of weights no longer fits
by name; and it has nothing of Rein's kind for images. Here a tuned layer keeps its names.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['LoRALinear', 'ReinTokens', 'add_lora', 'add_tokens', 'has_lora', 'merge_lora']

LINEARS = ('qkv', 'q_proj', 'k_proj', 'v_proj', 'proj', 'fc1', 'fc1_g', 'fc1_x', 'fc2', 'w12', 'w3')
BESIDE_QKV = ('q_bias',)  # such attention reads the weight of its `qkv` and does not call it


class LoRALinear(nn.Linear):
    """A linear layer (..., in) -> (..., out) and a trained update of rank `rank` to its weight.

    Args:
        linear: whose weight and bias are taken over, not copied, and frozen.
        rank: of the update, from 1 to the smaller of in and out.
        scale: s above.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float = 1.0) -> None:
        width_in, width_out = linear.in_features, linear.out_features
        if not 1 <= rank <= min(width_in, width_out):
            raise ValueError(f'rank={rank}: it must lie between 1 and {min(width_in, width_out)}')
        super().__init__(width_in, width_out, linear.bias is not None, device='meta')
        self.weight, self.bias = linear.weight.requires_grad_(False), linear.bias
        if self.bias is not None:
            self.bias.requires_grad_(False)
        like = {'device': linear.weight.device, 'dtype': linear.weight.dtype}
        self.rank, self.scale = rank, scale
        self.lora_a = nn.Parameter(torch.empty(rank, width_in, **like))
        self.lora_b = nn.Parameter(torch.zeros(width_out, rank, **like))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        update = F.linear(F.linear(x, self.lora_a), self.lora_b)
        return F.linear(x, self.weight, self.bias) + self.scale * update

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that computes the same; a copy."""
        like = {'device': self.weight.device, 'dtype': self.weight.dtype}
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, **like)
        update = self.lora_b.double() @ self.lora_a.double()
        linear.weight.copy_(self.weight.double() + self.scale * update)
        if self.bias is not None:
            linear.bias.copy_(self.bias)
        return linear.train(self.training)

    def extra_repr(self) -> str:
        """Sizes, and the rank."""
        return f'{super().extra_repr()}, rank={self.rank}, scale={self.scale}'


class ReinTokens(nn.Module):
    """What is added to the features behind each block of a transformer.

    Args:
        blocks: how many there are.
        width: C, of a feature.
        tokens: m, of each block.
        rank: of the tokens of a block.
    """

    def __init__(self, blocks: int, width: int, tokens: int = 100, rank: int = 16) -> None:
        super().__init__()
        if min(blocks, width, tokens, rank) < 1:
            raise ValueError(f'blocks={blocks}, width={width}, tokens={tokens}, rank={rank} must all be at least 1')
        self.codes = nn.Parameter(torch.empty(blocks, tokens, rank))
        self.words = nn.Parameter(torch.empty(blocks, rank, width))
        for matrix in (self.codes, self.words):
            nn.init.normal_(matrix, std=rank**-0.25)
        self.of_tokens, self.of_features = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.of_features.weight)
        nn.init.zeros_(self.of_features.bias)

    def forward(self, features: Tensor, block: int) -> Tensor:
        """(N, L, C) to what is added to them (N, L, C)."""
        tokens = self.codes[block] @ self.words[block]  # m C
        looks = (features @ tokens.T / math.sqrt(tokens.shape[1])).softmax(-1)  # N L m
        return self.of_features(features + looks @ self.of_tokens(tokens))


class _AddTokens:
    """Forward hook of one block. An object, so that a copy of the network hooks its own tokens."""

    def __init__(self, tokens: ReinTokens, block: int, prefix: int) -> None:
        self.tokens, self.block, self.prefix = tokens, block, prefix

    def __call__(self, *call: Any) -> Tensor:
        output = call[-1]  # behind the block and what went in
        patches = output[:, self.prefix :]
        return torch.cat([output[:, : self.prefix], patches + self.tokens(patches, self.block)], dim=1)


def add_lora(network: nn.Module, rank: int, scale: float = 1.0) -> int:
    """Freezes `network`, a timm transformer, and puts LoRA into the linear layers of its `blocks`; returns how many.

    Raises:
        ValueError: it has no such layers, or attention that does not call them.
    """
    network.requires_grad_(False)
    count = 0
    for name, module in list(_blocks(network).named_modules()):
        if any(getattr(module, key, None) is not None for key in BESIDE_QKV):
            raise ValueError(
                f'blocks.{name} adds its bias beside its qkv layer, which LoRA cannot enter: take a network without '
                'such a bias (of DINOv3, one without _qkvb in its name)'
            )
        for key, child in list(module.named_children()):
            if key in LINEARS and type(child) is nn.Linear:
                setattr(module, key, LoRALinear(child, rank, scale))
                count += 1
    if not count:
        raise ValueError(f'no linear layers named {", ".join(LINEARS)} in the blocks of {type(network).__name__}')
    return count


def add_tokens(network: nn.Module, tokens: int = 100, rank: int = 16) -> ReinTokens:
    """Freezes `network`, a timm transformer, and adds learnt tokens behind each of its blocks, as `network.rein`.

    Raises:
        ValueError: it is no plain transformer.
    """
    network.requires_grad_(False)
    blocks = _blocks(network)
    network.rein = ReinTokens(len(blocks), network.num_features, tokens, rank)
    for number, block in enumerate(blocks):
        block.register_forward_hook(_AddTokens(network.rein, number, network.num_prefix_tokens))
    return network.rein


def has_lora(model: nn.Module) -> bool:
    """Whether any layer of `model` is tuned by LoRA."""
    return any(isinstance(module, LoRALinear) for module in model.modules())


def merge_lora(model: nn.Module) -> int:
    """Replaces each layer with LoRA in `model` by one linear layer that computes the same, in place.

    Returns how many there were. Tokens behind blocks are no linear map, and stay.
    """
    count = 0
    for module in list(model.modules()):
        for key, child in list(module.named_children()):
            if isinstance(child, LoRALinear):
                setattr(module, key, child.merged())
                count += 1
    return count


def _blocks(network: nn.Module) -> nn.Module:
    blocks = getattr(network, 'blocks', None)
    if blocks is None or getattr(network, 'num_prefix_tokens', None) is None:
        raise ValueError(
            f'{type(network).__name__} is no plain vision transformer: LoRA and tokens are for those, such as dinov2-s'
        )
    return blocks
