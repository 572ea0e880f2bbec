"""What T of Newton's iteration and eps do to whitening (Section 3.4 of the paper), eigendecomposition beside it.

    python tools/benchmark/newton.py [--iterations 3 5 7 10] [--eps 1e-5 1e-3 1e-2] [--dtype float64] [--markdown FILE]

Three tables. First, random covariances of known condition number: a random basis, variances spread evenly on a
logarithmic scale, their mean 1. The layer's own matrix P, read off its output in evaluation, leaves the residual
‖P Σ P − I‖ / √D in Frobenius norm, 0 where Σ is whitened; eps is in P and not in Σ. Second, the same of features that
random convolutions make of drawn images: how white BW leaves a batch, in training. Third, the time of forward and
backward on an input so small that most of it is the algebra on matrices. `--dtype float64` tells what the iteration
itself leaves from what rounding does to it. Needs torch alone.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from sw_mmseg.benchmark.features import draw_images, feature_maps
from sw_mmseg.benchmark.measure import check_common, digits, environment, in_turn, markdown, median_ratio, write
from sw_mmseg.whitening import SwitchWhiten2d

GROUP_SIZE = 16
CONDITIONS = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6]
TIMED_SHAPE = (1, 4096, 8, 4)  # 256 matrices of 16×16
WARMUP = 3
Root = tuple[str, int]  # method and T; T is 0 for the eigendecomposition


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--iterations', nargs='+', type=int, default=[3, 5, 7, 10], metavar='T')
    parser.add_argument('--eps', nargs='+', type=float, default=[1e-5, 1e-3, 1e-2])
    parser.add_argument('--conditions', nargs='+', type=float, default=CONDITIONS, help='largest by smallest variance')
    parser.add_argument('--matrices', type=int, default=64, help='random covariances for each condition number')
    parser.add_argument('--images', type=int, default=8, help='drawn images, 128x128')
    parser.add_argument('--rounds', type=int, default=30, help='of timing')
    parser.add_argument('--dtype', choices=['float32', 'float64'], default='float32', help='of inputs and layer')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the tables to this file')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    if min(args.iterations, default=0) < 1 or min(args.eps) <= 0 or min(args.conditions) < 1:
        parser.error('--iterations must be at least 1, --eps positive and --conditions at least 1')
    if args.matrices < 1 or args.images < 2:
        parser.error('--matrices must be at least 1 and --images at least 2')
    return args


def roots_of(args: argparse.Namespace) -> dict[str, Root]:
    """Columns of every table."""
    return {**{f'T = {t}': ('newton', t) for t in args.iterations}, 'eigh': ('eigh', 0)}


def make_layer(channels: int, eps: float, root: Root, **options) -> SwitchWhiten2d:
    method, iterations = root
    return SwitchWhiten2d(channels, eps=eps, statistics=('bw',), group_size=GROUP_SIZE, inverse_sqrt=method,
                          iterations=iterations or 5, **options)


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
    apart = cov - torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    return float(torch.linalg.matrix_norm(apart).mean()) / cov.shape[-1] ** 0.5


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
            layers = [torch.nn.BatchNorm2d(x.shape[1], eps=eps, affine=False, **tensor_options(args)),
                      *(make_layer(x.shape[1], eps, root, **tensor_options(args)) for root in roots_of(args).values())]
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
    cells = [f'{digits(statistics.median(own))} ({median_ratio(own, times["eigh"]):.2f})' for own in times.values()]
    return markdown(list(times), [cells])


def report(args: argparse.Namespace) -> Iterator[str]:
    yield f'{environment(args.device)}, D = {GROUP_SIZE}, {args.dtype}.\n'
    for eps in args.eps:
        print(f'eps {eps:g}: random covariances', flush=True)
        yield (f'**{args.matrices} random covariances, eps = {eps:g}**: residual ‖P Σ P − I‖ / √D\n\n'
               f'{condition_table(eps, args)}')
    features = feature_maps(draw_images(args.images, 128).to(**tensor_options(args)))
    for eps in args.eps:
        print(f'eps {eps:g}: features', flush=True)
        yield (f'**Features of {args.images} drawn images, eps = {eps:g}**: ‖Σ of the output − I‖ / √D of BW over the '
               f'batch\n\n{feature_table(features, eps, args)}')
    print('times', flush=True)
    shape = '×'.join(map(str, TIMED_SHAPE))
    yield (f'**Time of BW, forward + backward on {shape}**, 256 matrices: ms (ratio to eigh), {args.rounds} rounds\n\n'
           f'{time_table(args)}')


def main(args: argparse.Namespace) -> int:
    torch.manual_seed(0)
    write('\n'.join(report(args)), args.markdown)
    return 0
