"""Images a second a core that a config's training pipeline makes, and where the time goes: `data_pipeline.py CONFIG`.

Writes pictures and labels of the real size into a temporary folder, in the layout of the config's data set (or reads
--data-root), and times each step of the pipeline, alone on one core, as a loader's worker runs it.

    python tools/benchmark/data_pipeline.py configs/bn_pspnet_cityscapes.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from sw_mmseg.analysis.tables import Table, to_markdown
from sw_mmseg.running.command_line import add_common_arguments, size_word
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import LAYOUTS, innermost

SIZES = {'RawCityscapesDataset': (2048, 1024), 'FoldersADE20K': (683, 512)}  # ADE20K's: short side 512, mostly 4:3


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a scene parsing config')
    parser.add_argument('--images', type=int, default=8, help='different images (default: 8)')
    parser.add_argument('--rounds', type=int, default=4, help='times that each is read, after once uncounted')
    parser.add_argument(
        '--size', type=size_word, metavar='WxH', help='of the made pictures (default: 2048x1024 for Cityscapes)'
    )
    parser.add_argument('--data-root', help='read these data instead of made ones')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def make_files(root: Path, layout: str, size: tuple[int, int], count: int) -> None:
    """Smooth random pictures with a little noise, which compress about as photographs do, and labels in blocks."""
    random = np.random.default_rng(0)
    for index in range(count):
        coarse = random.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
        picture = (picture + random.integers(-6, 7, picture.shape, dtype=np.int16)).clip(0, 255).astype(np.uint8)
        ids = cv2.resize(
            random.integers(0, 34, (size[1] // 16, size[0] // 16), dtype=np.uint8),
            size,
            interpolation=cv2.INTER_NEAREST,
        )
        if layout == 'cityscapes':
            image, labels = (
                root / f'{kind}/train/city/city_{index:06d}_000019_{suffix}.png'
                for kind, suffix in (('leftImg8bit', 'leftImg8bit'), ('gtFine', 'gtFine_labelIds'))
            )
        else:
            image = root / f'images/training/ADE_train_{index:08d}.jpg'
            labels = root / f'annotations/training/ADE_train_{index:08d}.png'
        for path, pixels in ((image, picture), (labels, ids)):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)


def step_times(dataset: BaseDataset, images: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of every step, one value an image and round; the first round warms up."""
    np.random.seed(0)
    times: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for index in range(images):
            sample = dataset.get_data_info(index)
            for number, transform in enumerate(dataset.pipeline.transforms, 1):
                begin = time.perf_counter()
                sample = transform(sample)
                if turn:
                    times.setdefault(f'{number} {type(transform).__name__}', []).append(time.perf_counter() - begin)
    return times


def summary(times: dict[str, list[float]]) -> Table:
    """Step -> mean milliseconds an image and share; then the sum and images a second."""
    means = {name: statistics.mean(values) for name, values in times.items()}
    total = sum(means.values())
    rows = [(name, f'{1e3 * mean:.1f}', f'{100 * mean / total:.0f}') for name, mean in means.items()]
    rows.append(('all', f'{1e3 * total:.1f}', '100'))
    return Table(
        ('step', 'ms an image', 'share in %'),
        tuple(rows),
        f'{1 / total:.1f} images a second and core, mean of {len(next(iter(times.values())))}',
    )


def main(args: argparse.Namespace) -> int:
    """Parse, make, time, print."""
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    settings = innermost(config.train_dataloader.dataset)
    if settings.type not in LAYOUTS:
        raise UserError(f'{args.config} reads {settings.type}; this measures {", ".join(LAYOUTS)}')
    size = args.size or SIZES[settings.type]
    width, height = size
    if min(args.images, args.rounds, width // 16, height // 16) < 1:
        raise UserError('--images and --rounds must be at least 1, --size at least 16x16')
    cv2.setNumThreads(0)  # as a loader's worker
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not args.data_root:
            make_files(Path(folder), LAYOUTS[settings.type], size, args.images)
        settings.data_root = args.data_root or folder
        dataset = build('data', lambda: DATASETS.build(settings))
        table = summary(step_times(dataset, min(args.images, len(dataset)), args.rounds))
    source = args.data_root or f'made pictures of {width}x{height}'
    print(f'{args.config}, {source}\n\n{to_markdown(table)}')
    return 0
