"""What a training step of a vision transformer keeps in memory and how long it takes: trained whole, or frozen but for
LoRA, learnt tokens or the decoder alone.

    python tools/benchmark/tuning_step.py [--network dinov2-b] [--rank 16] [--size 2 512 512] [--markdown FILE]

Weights are random: neither time nor memory depends on them. Parameters that learn are those of backbone and decoder
together; `checkpoint` is what a checkpoint holds of the network. `for backward` is what autograd keeps of one forward
pass, each storage once, without parameters; `state` are gradients and AdamW's two averages. Both are counted and hold
on any device; `peak` is what CUDA's allocator had at most, on a GPU alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sw_mmseg.benchmark.measure import check_common, write
from sw_mmseg.models import LightFPNHead, TimmFeatures, TokenPyramid
from sw_mmseg.models.tuning import add_lora, add_tokens
from sw_mmseg.running.network_table import find_network

SETTINGS = ('full', 'lora', 'rein', 'frozen')
CLASSES, CHANNELS = 19, 128


class Network(nn.Module):
    """Backbone, pyramid and decoder as `--network NAME` has them."""

    def __init__(self, name: str, setting: str, rank: int) -> None:
        super().__init__()
        self.backbone = TimmFeatures(name)
        if setting == 'lora':
            add_lora(self.backbone.net, rank)
        elif setting == 'rein':
            add_tokens(self.backbone.net, rank=rank)
        elif setting == 'frozen':
            self.backbone.requires_grad_(False)
        self.neck = TokenPyramid(self.backbone.out_channels, CHANNELS)
        self.decode_head = LightFPNHead([CHANNELS] * 4, CLASSES, CHANNELS)

    def forward(self, images: Tensor) -> Tensor:
        """Logits at a quarter of the size."""
        return self.decode_head(self.neck(self.backbone(images)))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', default='dinov2-b', help='a plain transformer, as for --network of train')
    parser.add_argument('--settings', nargs='+', choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument('--rank', type=int, default=16)
    parser.add_argument('--size', nargs=3, type=int, default=[2, 512, 512], metavar=('N', 'H', 'W'))
    parser.add_argument('--rounds', type=int, default=10, help='of timing, behind two that warm up')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if args.rank < 1 or min(args.size) < 1:
        parser.error('--rank and --size must be at least 1')
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    network = find_network(args.network)
    name = network.timm_name or network.word
    lines = [
        f'{name}, {"x".join(map(str, args.size))}, rank {args.rank}, {args.device}, {args.threads} CPU threads',
        '',
        '| trained | parameters that learn | checkpoint, MB | for backward, MB | state, MB | peak, MB | ms a step |',
        '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ]
    for setting in args.settings:
        torch.manual_seed(0)
        lines.append(row(setting, Network(name, setting, args.rank).to(args.device).train(), args))
    write('\n'.join(lines), args.markdown)
    return 0


def row(setting: str, network: Network, args: argparse.Namespace) -> str:
    """One line of the table."""
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    step = step_of(network, learnt, args)
    kept = bytes_for_backward(network, step)
    on_gpu = torch.device(args.device).type == 'cuda'
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(2 + args.rounds):
        start = time.perf_counter()
        step()
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    peak = f'{torch.cuda.max_memory_allocated() / 1e6:.0f}' if on_gpu else '–'
    count = sum(parameter.numel() for parameter in learnt)
    size = sum(parameter.numel() * parameter.element_size() for parameter in learnt)
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in network.decode_head.buffers())
    return (
        f'| {setting} | {count:,} | {(size + buffers) / 1e6:.1f} | {kept / 1e6:.1f} | {3 * size / 1e6:.1f} | {peak} | '
        f'{1e3 * median(seconds[2:]):.0f} |'
    )


def step_of(network: nn.Module, learnt: list[nn.Parameter], args: argparse.Namespace) -> Callable[[], None]:
    """One step of training on random pixels and labels."""
    count, height, width = args.size
    images = torch.randn(count, 3, height, width, device=args.device)
    labels = torch.randint(CLASSES, (count, height, width), device=args.device)
    optimizer = torch.optim.AdamW(learnt, lr=1e-4)

    def step() -> None:
        logits = F.interpolate(network(images), labels.shape[1:], mode='bilinear', align_corners=False)
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def bytes_for_backward(network: nn.Module, step: Callable[[], None]) -> int:
    """What autograd keeps of one step's forward pass, each storage once, without parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    sizes: dict[int, int] = {}
    kept = []  # so that no storage is given to another tensor meanwhile

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            sizes[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(sizes.values())
