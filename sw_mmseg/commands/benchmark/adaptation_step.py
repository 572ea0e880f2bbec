"""What adaptation costs: an AdaptSegNet step against a source-only step of the same network.

Both networks take turns, step by step, so that a machine that slows down slows both; the ratio is the median of the
pairs' ratios. Images and labels are random; nothing is loaded. Peak memory is that of a fresh process a method (on CPU
its resident memory beyond the built network, on a GPU what torch allocated). Goal: a ratio of at most 2.2.

    python tools/benchmark/adaptation_step.py --width 0.25 --size 256 128 --batch 2 --norm SW --steps 20
"""

import argparse
import multiprocessing
import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.benchmark.measure import check_common
from sw_mmseg.models.vgg import scale_width
from sw_mmseg.processes import end_with_parent

METHODS = ('source only', 'adversarial')
GOAL = 2.2


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=float, default=0.25, help='factor on the channels of VGG16')
    parser.add_argument('--size', type=int, nargs=2, default=(256, 128), metavar=('W', 'H'), help='of both domains')
    parser.add_argument('--batch', type=int, default=2, help='images a domain')
    parser.add_argument('--norm', default='BN', help='at the five sites: BN, SW, IN, ...')
    parser.add_argument('--dis-width', type=int, default=None, help="discriminator's width (default: 64 x width)")
    parser.add_argument('--steps', type=int, default=20, help='timed pairs')
    parser.add_argument('--warmup', type=int, default=3, help='pairs before that')
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    return args


def build_step(method: str, args: argparse.Namespace) -> Callable[[], None]:
    """A function that takes one training step of `method`."""
    segmentor = {
        'type': 'MultiLevelSegmentor',
        'backbone': {'type': 'VGG16DeepLab', 'width': args.width, 'norm_cfg': {'type': args.norm}},
        'decode_head': {'type': 'DeepLabV2Head', 'in_channels': scale_width(1024, args.width), 'num_classes': 19},
        'test_cfg': ConfigDict(mode='whole'),
    }
    preprocessor = MODELS.build({'type': 'DomainPreprocessor', 'mean': [120.0] * 3, 'std': [60.0] * 3})
    sgd = {'optimizer': {'type': 'SGD', 'lr': 1e-4, 'momentum': 0.9}}
    batch = {'source': random_batch(args, labelled=True), 'target': random_batch(args, labelled=False)}
    if method == 'source only':
        model = MODELS.build({**segmentor, 'data_preprocessor': preprocessor})
        optimizers, batch = sgd, batch['source']
    else:
        width = args.dis_width or max(4, round(64 * args.width))
        discriminator = {'type': 'OutputDiscriminator', 'num_classes': 19, 'width': width}
        model = MODELS.build({'type': 'AdaptSegNet', 'segmentor': segmentor, 'discriminator': discriminator})
        model.data_preprocessor = preprocessor
        adam = {'optimizer': {'type': 'Adam', 'lr': 1e-4}}
        optimizers = {'constructor': 'DomainOptimWrapperConstructor', 'segmentor': sgd, 'discriminator': adam}
    model.to(args.device).train()
    wrapper = build_optim_wrapper(model, optimizers)
    return lambda: model.train_step(batch, wrapper)


def random_batch(args: argparse.Namespace, labelled: bool) -> dict:
    """Images of one domain, with labels where it is the source."""
    width, height = args.size
    samples = [SegDataSample() for _ in range(args.batch)]
    if labelled:
        for sample in samples:
            sample.gt_sem_seg = PixelData(data=torch.randint(0, 19, (1, height, width)))
    return {
        'inputs': [torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for _ in samples],
        'data_samples': samples,
    }


def seconds(step: Callable[[], None], device: str) -> float:
    """Of one step."""
    begin = time.perf_counter()
    step()
    if device != 'cpu':
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def peak_memory(method: str, args: argparse.Namespace) -> float:
    """MiB that two steps take in a process of their own."""
    with multiprocessing.get_context('spawn').Pool(1, end_with_parent) as pool:
        return pool.apply(_peak_memory, (method, args))


def _peak_memory(method: str, args: argparse.Namespace) -> float:
    step = build_step(method, args)
    if args.device != 'cpu':
        step()
        step()
        return torch.cuda.max_memory_allocated(args.device) / 2**20
    before, peak, done = resident_memory(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, resident_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    step()
    step()
    done.set()
    watcher.join()
    return peak - before


def resident_memory() -> float:
    """MiB of this process that are in memory now (Linux)."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize() / 2**20


def main(args: argparse.Namespace) -> int:
    """Prints the table; the exit status is 1 when the ratio misses the goal."""
    steps = {method: build_step(method, args) for method in METHODS}
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    for index in range(args.warmup + args.steps):
        for method in METHODS if index % 2 else METHODS[::-1]:
            times[method].append(seconds(steps[method], args.device))
    times = {method: values[args.warmup :] for method, values in times.items()}

    print(
        f'VGG16 x {args.width}, {args.norm}, {args.batch} images of {args.size[0]}x{args.size[1]} a domain, '
        f'{args.device}, {torch.get_num_threads()} threads, {args.steps} pairs'
    )
    for method in METHODS:
        print(
            f'{method:12} {1000 * statistics.median(times[method]):9.1f} ms a step (median)'
            f' {peak_memory(method, args):9.0f} MiB at the peak'
        )
    ratio = statistics.median(b / a for a, b in zip(times['source only'], times['adversarial']))
    print(f'ratio        {ratio:9.2f} (goal: at most {GOAL})')
    return int(ratio > GOAL)
