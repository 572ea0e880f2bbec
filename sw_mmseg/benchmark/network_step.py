"""A training step of whole networks with one norm or another."""

from __future__ import annotations

import argparse
import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from sw_mmseg.benchmark.measure import compared, markdown, peak_mib
from sw_mmseg.benchmark.networks import Classifier, PSPNet, VGG16DeepLab, put_norm
from sw_mmseg.benchmark.norms import NORMS
from sw_mmseg.whitening.graphs import GraphedStep

__all__ = [
    'BASELINE',
    'NETWORKS',
    'SITE_NORMS',
    'cudnn_search',
    'describe',
    'measure',
    'render_network',
    'render_table_5',
]


class Workload(NamedTuple):
    """A network with its sites, and what it trains on."""

    title: str
    build: Callable[[float], nn.Module]
    k: int | None  # every k-th convolution; None for VGG16's groups
    full: tuple[int, int, int]  # batch, height, width
    small: tuple[int, int, int]
    classes: int
    dense: bool  # labels a pixel


NETWORKS = {
    'resnet50': Workload('ResNet50', Classifier, 6, (32, 224, 224), (4, 160, 160), 1000, False),
    'pspnet7': Workload('PSPNet-R50', PSPNet, 6, (2, 713, 713), (2, 129, 129), 19, True),
    'pspnet14': Workload('PSPNet-R50', PSPNet, 3, (2, 713, 713), (2, 129, 129), 19, True),
    'vgg16': Workload('VGG16 DeepLab-v2', VGG16DeepLab, None, (1, 720, 1280), (1, 128, 256), 19, True),
}
BASELINE = 'BN'
SITE_NORMS = {
    BASELINE: nn.BatchNorm2d,
    **{name: NORMS[name] for name in ('SN', 'BW', 'IW', 'SWa', 'SWb', 'BW eigh', 'SWa eigh', 'SWb eigh')},
}
# Table 5, seconds an iteration on a V100: ImageNet, Cityscapes. Its iterative whitening is Newton's, its svd our eigh.
TABLE_5 = {'BN': (0.27, 0.52), 'BW eigh': (0.79, 1.09), 'SWa eigh': (1.04, 1.24), 'SWa': (0.36, 0.67)}
GOALS = (1.05, 1.02)  # of SWa to BN: time, peak memory


class Result(NamedTuple):
    """Of a norm in a network: median milliseconds, ratio to BN with its quartiles, MiB at the peak."""

    time: float
    ratio: float
    quartiles: tuple[float, float]
    memory: float


def shape_of(workload: Workload, args: argparse.Namespace) -> tuple[int, int, int]:
    return tuple(args.size) if args.size else workload.small if args.small else workload.full


def build_step(workload: Workload, norm: str, args: argparse.Namespace) -> Callable[[], torch.Tensor]:
    """A function that takes one training step and returns the loss; every norm starts from the same weights."""
    torch.manual_seed(0)
    network = workload.build(args.width)
    if norm != BASELINE:
        put_norm(network, SITE_NORMS[norm], workload.k)
    memory_format = torch.channels_last if args.channels_last else torch.contiguous_format
    network = network.to(args.device, memory_format=memory_format).train()
    batch, height, width = shape_of(workload, args)
    images = torch.randn(batch, 3, height, width).to(args.device, memory_format=memory_format)
    size = (batch, height, width) if workload.dense else (batch,)
    labels = torch.randint(workload.classes, size).to(args.device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    forward = torch.compile(network, mode=args.compile_mode) if args.compile else network
    kind, dtype = torch.device(args.device).type, getattr(torch, args.amp) if args.amp else None

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        with torch.autocast(kind, dtype, enabled=dtype is not None):
            loss = forward(images, labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return GraphedStep(step, args.device) if args.graph else step


def measure(workload: Workload, args: argparse.Namespace) -> dict[str, Result]:
    """Peak memory of each norm alone, then their times in turn."""
    memory = {}
    for norm in args.norms:
        print(f'  {norm}: peak memory', flush=True)
        gc.collect()  # what is left of the network before must not be released while this one is measured
        memory[norm] = peak_mib(lambda norm=norm: build_step(workload, norm, args), args.device)
    steps = {norm: build_step(workload, norm, args) for norm in args.norms}
    total = args.warmup + args.rounds
    times = compared(
        steps,
        BASELINE,
        args.device,
        args.rounds,
        args.warmup,
        progress=lambda index: print(f'  round {index + 1} of {total}', flush=True),
    )
    results = {}
    for norm, step in steps.items():
        if not math.isfinite(float(step())):
            raise SystemExit(f'{workload.title} with {norm}: the loss is not finite, so its times mean nothing')
        ratios = sorted(duration / base for duration, base in zip(times[norm].times, times[BASELINE].times))
        quartiles = (ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4])
        results[norm] = Result(times[norm].time, times[norm].ratio, quartiles, memory[norm])
    return results


def sites_of(workload: Workload) -> int:
    with torch.device('meta'):
        return put_norm(workload.build(1.0), nn.BatchNorm2d, workload.k)


def describe(workload: Workload, args: argparse.Namespace) -> str:
    """Network, sites, batch and size, as tables name them."""
    batch, height, width = shape_of(workload, args)
    shrunk = '' if (batch, height, width) == workload.full else f' (shrunk from {"×".join(map(str, workload.full))})'
    channels = '' if args.width == 1 else f', channels × {args.width}'
    return f'{workload.title}, {sites_of(workload)} sites, batch {batch} of {height}×{width}{shrunk}{channels}'


def render_network(workload: Workload, results: dict[str, Result], args: argparse.Namespace) -> str:
    """Markdown: a row a norm."""
    base = results[BASELINE].memory
    rows = [
        [
            norm,
            f'{r.time:.1f}',
            f'{r.ratio:.3f}',
            f'{r.quartiles[0]:.3f} to {r.quartiles[1]:.3f}',
            f'{r.memory:.0f}',
            f'{r.memory / base:.3f}',
        ]
        for norm, r in results.items()
    ]
    table = markdown(['norm', 'ms a step', 'ratio to BN', 'its quartiles', 'MiB at the peak', 'ratio to BN'], rows)
    return f'**{describe(workload, args)}**\n\n{table}{render_goal(results)}'


def render_goal(results: dict[str, Result]) -> str:
    if 'SWa' not in results:
        return ''
    ratios = (results['SWa'].ratio, results['SWa'].memory / results[BASELINE].memory)
    parts = [
        f'{quantity} {ratio:.3f} (goal {goal}: {"met" if ratio <= goal else "missed"})'
        for quantity, ratio, goal in zip(('time', 'peak memory'), ratios, GOALS)
    ]
    return f'\nSWa to BN: {", ".join(parts)}.\n'


def render_table_5(measured: dict[str, dict[str, Result]], args: argparse.Namespace) -> str:
    """Rows of the paper; seconds an iteration, with the ratio to BN behind them."""

    def cell(network: str, norm: str) -> str:
        result = measured.get(network, {}).get(norm)
        return f'{result.time / 1e3:.3f} ({result.ratio:.2f})' if result else 'unmeasured'

    rows = []
    for norm, seconds in TABLE_5.items():
        paper = [f'{value:.2f} ({value / base:.2f})' for value, base in zip(seconds, TABLE_5[BASELINE])]
        method, _, eigh = norm.partition(' ')
        whitening = '-' if norm == BASELINE else 'svd / eigh' if eigh else 'iterative / Newton, T = 5'
        rows.append(
            [
                method,
                whitening,
                paper[0],
                cell('resnet50', norm),
                paper[1],
                *(cell(network, norm) for network in ('pspnet7', 'pspnet14', 'vgg16')),
            ]
        )
    header = [
        'ResNet50 with',
        'whitening',
        'ImageNet, paper',
        'ImageNet, here',
        'Cityscapes, paper',
        'PSPNet, 7 sites, here',
        'PSPNet, 14 sites, here',
        'VGG16 DeepLab-v2, here',
    ]
    sizes = '; '.join(describe(NETWORKS[name], args) for name in measured)
    return (
        '**Table 5 of the paper (V100, 7 sites, batch size not told) and the same here**: seconds a training '
        f'iteration (ratio to BN). Here: {sizes}.\n\n{markdown(header, rows)}'
    )


@contextmanager
def cudnn_search(device: str) -> Iterator[None]:
    """cuDNN looks for the fastest convolutions, as trainers of fixed sizes have it."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = device.startswith('cuda')
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
