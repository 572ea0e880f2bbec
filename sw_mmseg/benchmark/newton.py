"""What T of Newton's iteration and eps do to whitening."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sw_mmseg.benchmark.features import draw_images, feature_maps
from sw_mmseg.benchmark.measure import digits, environment, in_turn, markdown, median_ratio
from sw_mmseg.whitening import SwitchWhiten2d

__all__ = ['report']

GROUP_SIZE = 16
TIMED_SHAPE = (1, 4096, 8, 4)  # 256 matrices of 16×16
WARMUP = 3
Root = tuple[str, int]  # method and T; T is 0 for the eigendecomposition


def roots_of(args: argparse.Namespace) -> dict[str, Root]:
    """Columns of every table."""
    return {**{f'T = {t}': ('newton', t) for t in args.iterations}, 'eigh': ('eigh', 0)}


def make_layer(channels: int, eps: float, root: Root, **options) -> SwitchWhiten2d:
    method, iterations = root
    return SwitchWhiten2d(
        channels,
        eps=eps,
        statistics=('bw',),
        group_size=GROUP_SIZE,
        inverse_sqrt=method,
        iterations=iterations or 5,
        **options,
    )


def tensor_options(args: argparse.Namespace) -> dict:
    return {'device': args.device, 'dtype': getattr(torch, args.dtype)}


def random_covariances(count: int, condition: float) -> Tensor:
    """(count, D, D) in fp64, of one spectrum in random bases."""
    basis, _ = torch.linalg.qr(torch.randn(count, GROUP_SIZE, GROUP_SIZE, dtype=torch.float64))
    spectrum = torch.logspace(0, 1, GROUP_SIZE, base=condition, dtype=torch.float64)
    return (basis * (spectrum / spectrum.mean())) @ basis.mT


def whitening_matrices(cov: Tensor, eps: float, root: Root, args: argparse.Namespace) -> Tensor:
    """What a layer with running covariances `cov` (G, D, D) multiplies by, in fp64: its answers to unit vectors."""
    count, d, _ = cov.shape
    layer = make_layer(count * d, eps, root, affine=False, **tensor_options(args)).eval()
    layer.running_cov.copy_(cov)
    units = torch.eye(d, **tensor_options(args)).repeat(count, 1).view(1, count * d, d, 1)
    with torch.no_grad():
        return layer(units).view(count, d, d).double().cpu()


def residual(cov: Tensor) -> float:
    """‖Σ − I‖ / √D in Frobenius norm, the mean over matrices (*, D, D)."""
    difference = cov - torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    return float(torch.linalg.matrix_norm(difference).mean()) / cov.shape[-1] ** 0.5


def condition_table(eps: float, args: argparse.Namespace) -> str:
    rows = []
    for condition in args.conditions:
        cov = random_covariances(args.matrices, condition)
        left = []
        for root in roots_of(args).values():
            p = whitening_matrices(cov, eps, root, args)
            left.append(f'{residual(p @ cov @ p.mT):.1e}')
        rows.append([f'{condition:.0e}', *left])
    return markdown(['condition of Σ', *roots_of(args)], rows)


def batch_covariances(x: Tensor) -> Tensor:
    """(G, D, D) in fp64, of each group of channels over batch and pixels of x (N, C, H, W)."""
    values = x.detach().double().transpose(0, 1).flatten(1)
    values = (values - values.mean(1, keepdim=True)).view(-1, GROUP_SIZE, values.shape[1])
    return values @ values.mT / values.shape[-1]


def feature_table(features: dict[str, Tensor], eps: float, args: argparse.Namespace) -> str:
    rows = []
    for name, x in features.items():
        values = torch.linalg.eigvalsh(batch_covariances(x))
        condition = statistics.median((values[:, -1] / values[:, 0].clamp_min(1e-30)).tolist())
        with torch.no_grad():
            layers = [
                torch.nn.BatchNorm2d(x.shape[1], eps=eps, affine=False, **tensor_options(args)),
                *(make_layer(x.shape[1], eps, root, **tensor_options(args)) for root in roots_of(args).values()),
            ]
            left = [residual(batch_covariances(layer(x))) for layer in layers]
        rows.append([name, f'{condition:.0e}', *(f'{value:.1e}' for value in left)])
    return markdown(['features', 'median condition of Σ', 'BatchNorm2d', *roots_of(args)], rows)


def time_table(args: argparse.Namespace) -> str:
    """Milliseconds of forward and backward, and the ratio to the eigendecomposition."""
    x = torch.randn(TIMED_SHAPE, requires_grad=True, **tensor_options(args))
    grad = torch.randn_like(x)

    def step(root: Root) -> Callable[[], None]:
        layer = make_layer(x.shape[1], 1e-5, root, **tensor_options(args))
        return lambda: layer(x).backward(grad)

    times = in_turn({name: step(root) for name, root in roots_of(args).items()}, args.device, args.rounds, WARMUP)
    cells = [
        f'{digits(statistics.median(durations))} ({median_ratio(durations, times["eigh"]):.2f})'
        for durations in times.values()
    ]
    return markdown(list(times), [cells])


def report(args: argparse.Namespace) -> Iterator[str]:
    """Markdown, a section at a time."""
    yield f'{environment(args.device)}, D = {GROUP_SIZE}, {args.dtype}.\n'
    for eps in args.eps:
        print(f'eps {eps:g}: random covariances', flush=True)
        yield (
            f'**{args.matrices} random covariances, eps = {eps:g}**: residual ‖P Σ P − I‖ / √D\n\n'
            f'{condition_table(eps, args)}'
        )
    features = feature_maps(draw_images(args.images, 128).to(**tensor_options(args)))
    for eps in args.eps:
        print(f'eps {eps:g}: features', flush=True)
        yield (
            f'**Features of {args.images} drawn images, eps = {eps:g}**: ‖Σ of the output − I‖ / √D of BW over the '
            f'batch\n\n{feature_table(features, eps, args)}'
        )
    print('times', flush=True)
    shape = '×'.join(map(str, TIMED_SHAPE))
    yield (
        f'**Time of BW, forward + backward on {shape}**, 256 matrices: ms (ratio to eigh), {args.rounds} rounds\n\n'
        f'{time_table(args)}'
    )
