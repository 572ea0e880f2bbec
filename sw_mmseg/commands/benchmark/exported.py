"""Time and memory of a trained network in torch and as the files that export writes, as ratios to torch.

    python tools/benchmark/exported.py CONFIG CHECKPOINT [--size 1024x512] [--fold 0.05] [--threads 2] [--markdown FILE]

All on the CPU, in turn, in one run. An image is random, of the given size; the network looks at it as in its test
pipeline. Memory is what a process of its own takes on beyond its imports, at the height of two images. ONNX rows need
ONNX Runtime (pip install '.[export]'). Without CHECKPOINT the weights are random, which costs as much.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import MODELS

from sw_mmseg.benchmark.measure import check_common, digits, environment, in_turn, markdown, median_ratio, write
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments, size_word
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.export_formats import Run, quantized, runner_of, save, torch_runner
from sw_mmseg.running.exporting import deployed, made_ready

BASELINE = 'torch'
FILES = {'TorchScript': 'torchscript', 'ONNX': 'onnx', 'ONNX, folded': 'onnx', 'ONNX, int8': 'onnx'}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', nargs='?', help='a .pth file of its work directory (default: random weights)')
    parser.add_argument('--size', type=size_word, default=(1024, 512), metavar='WxH', help='(default: 1024x512)')
    parser.add_argument('--fold', type=float, default=0.05, metavar='R', help='as of export (default: 0.05)')
    parser.add_argument('--rounds', type=int, default=10, help='each row once a round (default: 10)')
    parser.add_argument('--warmup', type=int, default=2, help='rounds before that')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--markdown', type=Path, help='also write the table to this file')
    add_common_arguments(parser)
    args = parser.parse_args(arguments)
    args.device = 'cpu'
    check_common(parser, args)
    if not 0 <= args.fold < 1:
        parser.error('--fold is a sum of ratios, at least 0 and less than 1')
    return args


def main(args: argparse.Namespace) -> int:
    """Exports, measures, prints."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("three of the rows need ONNX Runtime: pip install '.[export]'") from error
    warnings.filterwarnings('ignore')  # of tracers, on every branch that they pass
    image = np.random.default_rng(0).integers(0, 256, (1, args.size[1], args.size[0], 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        folds = _write_files(Path(folder), args, image)
        rows = [BASELINE, *FILES]
        with multiprocessing.get_context('spawn').Pool(1, maxtasksperchild=1) as pool:
            memory = {row: pool.apply(_peak_mib, (row, Path(folder), args, image)) for row in rows}
        runs = {row: _runner(row, Path(folder), args) for row in rows}
        work = {row: (lambda run=run: run(image)) for row, run in runs.items()}
        times = in_turn(work, 'cpu', args.rounds, args.warmup)
    header = ['as', 'ms an image', f'ratio to {BASELINE}', 'images a second', 'MiB at the peak', f'ratio to {BASELINE}']
    table = [
        [
            row,
            digits(median := statistics.median(times[row])),
            f'{median_ratio(times[row], times[BASELINE]):.3f}',
            digits(1000 / median),
            digits(memory[row]),
            f'{memory[row] / memory[BASELINE]:.3f}',
        ]
        for row in rows
    ]
    write(
        f'{Path(args.config).stem} at {args.size[0]}×{args.size[1]}, {folds} (--fold {args.fold:g}). '
        f'{environment("cpu")}, ONNX Runtime {onnxruntime.__version__}, {args.rounds} rounds.\n\n'
        f'{markdown(header, table)}',
        args.markdown,
    )
    return 0


def _network(args: argparse.Namespace) -> torch.nn.Module:
    """The network with its preprocessing, in torch."""
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    if args.checkpoint is None:
        return deployed(config, build('model', lambda: MODELS.build(config.model)).eval())
    return deployed(config, load_network(MODELS, config, args))


def _write_files(folder: Path, args: argparse.Namespace, image: np.ndarray) -> str:
    """A file for each row, named for it; how many layers folded."""
    whole = _network(args)
    plain, (folded, count, layers) = made_ready(whole, 0.0)[0], made_ready(whole, args.fold)
    for row, kind in FILES.items():
        if row == 'ONNX, int8':
            quantized(folder / 'ONNX, folded', folder / row, [image])
        else:
            save(folded if row == 'ONNX, folded' else plain, folder / row, kind)
    return f'{count} of {layers} switchable layers folded'


def _runner(row: str, folder: Path, args: argparse.Namespace) -> Run:
    if row in FILES:
        run = runner_of(folder / row, FILES[row], args.threads)
        assert run is not None  # main has imported ONNX Runtime
        return run
    return torch_runner(_network(args))


def _peak_mib(row: str, folder: Path, args: argparse.Namespace, image: np.ndarray) -> float:
    """MiB that this process holds at most beyond what it held before, with the network and two images."""
    torch.set_num_threads(args.threads)
    Path('/proc/self/clear_refs').write_text('5')  # the highest use so far is forgotten
    before = _status('VmRSS')
    run = _runner(row, folder, args)
    for _ in range(2):
        run(image)
    return (_status('VmHWM') - before) / 1024


def _status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    return int(re.search(rf'^{name}:\s*(\d+) kB', Path('/proc/self/status').read_text(), re.MULTILINE)[1])
