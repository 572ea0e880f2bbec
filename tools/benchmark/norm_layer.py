"""Time and memory of norm layers, as ratios to `nn.BatchNorm2d` in the same run. Needs torch alone.

    python tools/benchmark/norm_layer.py [--device cuda] [--dtype bfloat16] [--eval] [--markdown FILE]

Norms are timed in turn, round after round, so that a machine that slows down slows all of them; a cell is the median
over rounds of each norm's time divided by BatchNorm's time of the same round. Memory is what the forward pass leaves
allocated for the backward, beside input and output: on a GPU as the allocator says, on a CPU as the bytes of the
tensors that autograd saved.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout, nothing installed
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

SHAPES = [(2, 64, 128, 256), (2, 256, 64, 64), (8, 64, 56, 56), (2, 512, 97, 97), (32, 16, 32, 32)]
BASELINE = 'BatchNorm2d'
NORMS: dict[str, Callable[[int], nn.Module]] = {
    BASELINE: nn.BatchNorm2d,
    'GroupNorm': lambda c: nn.GroupNorm(min(32, c), c),
    'InstanceNorm2d': lambda c: nn.InstanceNorm2d(c, affine=True),
    **{name: lambda c, words=words: SwitchWhiten2d(c, statistics=words) for name, words in PRESETS.items()},
    'SWa eigh': lambda c: SwitchWhiten2d(c, inverse_sqrt='eigh'),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='float32', choices=['float32', 'bfloat16', 'float16', 'float64'])
    parser.add_argument('--rounds', type=int, default=30, help='each norm once a round; the first three do not count')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--eval', action='store_true', help='evaluation: forward only, no gradient')
    parser.add_argument('--norms', nargs='+', choices=list(NORMS), default=list(NORMS))
    parser.add_argument('--shapes', nargs='+', default=SHAPES, type=lambda text: tuple(int(n) for n in text.split('x')),
                        help='such as 2x64x128x256')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    return parser.parse_args()


def synchronise(device: str) -> None:
    if device.startswith('cuda'):
        torch.cuda.synchronize()


def timed(layer: nn.Module, x: Tensor, grad: Tensor, evaluate: bool) -> float:
    """Milliseconds of forward and backward, or of an evaluation forward."""
    x.grad = None
    synchronise(x.device.type)
    start = time.perf_counter()
    if evaluate:
        with torch.no_grad():
            layer(x)
    else:
        layer(x).backward(grad)
    synchronise(x.device.type)
    return (time.perf_counter() - start) * 1e3


def saved_megabytes(layer: nn.Module, x: Tensor) -> float:
    """What the forward saves for the backward, the input not counted, each storage once."""
    storages = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() != x.untyped_storage().data_ptr():
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = layer(x)
    del y
    return sum(storages.values()) / 2**20


def measure(shape: tuple[int, ...], args: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
    """For each norm: median milliseconds, median ratio to the baseline, megabytes saved."""
    x = torch.randn(shape, device=args.device).to(getattr(torch, args.dtype)).requires_grad_()
    grad = torch.randn_like(x)
    layers = {name: NORMS[name](shape[1]).to(args.device).train(not args.eval) for name in [BASELINE, *args.norms]}
    times: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(args.rounds + 3):
        for name, layer in layers.items():
            times[name].append(timed(layer, x, grad, args.eval))
    table = {}
    for name, layer in layers.items():
        ratios = [own / base for own, base in zip(times[name][3:], times[BASELINE][3:])]
        memory = 0.0 if args.eval else saved_megabytes(layer, x)
        table[name] = (statistics.median(times[name][3:]), statistics.median(ratios), memory)
    return table


def render(results: dict[tuple[int, ...], dict], args: argparse.Namespace) -> str:
    """A Markdown table: a row a norm, a column a shape."""
    what = 'evaluation forward' if args.eval else 'forward + backward'
    device = torch.cuda.get_device_name() if args.device.startswith('cuda') else f'{args.threads} CPU threads'
    lines = [f'{what}, {args.dtype}, {device}, {platform.machine()}, torch {torch.__version__}, '
             f'{time.strftime("%Y-%m-%d")}: ms (ratio to {BASELINE}; MB saved beside the input)', '']
    header = ['norm', *['×'.join(map(str, shape)) for shape in results]]
    lines += ['| ' + ' | '.join(header) + ' |', '|' + '---|' * len(header)]
    for name in next(iter(results.values())):
        measured = [table[name] for table in results.values()]
        cells = [f'{ms:.2f} ({ratio:.2f}; {memory:.2f})' for ms, ratio, memory in measured]
        lines.append('| ' + ' | '.join([name, *cells]) + ' |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    args = parse_arguments()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    results = {}
    for shape in args.shapes:
        results[shape] = measure(shape, args)
        ratios = ', '.join(f'{name} {ratio:.2f}' for name, (_, ratio, _) in results[shape].items())
        print(f'{shape}: {ratios}', flush=True)
    text = render(results, args)
    print('\n' + text)
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(text)


if __name__ == '__main__':
    main()
