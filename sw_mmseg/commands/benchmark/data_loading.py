"""Whether reading keeps up with training: a GTA5 image read and augmented, against a training step on it.

Writes GTA5's files (1914x1052, paletted labels) into a temporary folder, reads them through the source pipeline of
`configs/_base_/datasets/gta5.py`, and takes source-only steps of the full DeepLab-v2 on VGG16 at the same 1280x720.
Both in this process on the same cores; with loader workers, reading also overlaps training. Goal: at least five times
faster. A full-width step on two CPU cores takes about half a minute.

    python tools/benchmark/data_loading.py --images 8 --steps 2
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.benchmark.measure import check_common
from sw_mmseg.commands.benchmark.adaptation_step import build_step, seconds
from sw_mmseg.datasets import PALETTE
from sw_mmseg.running.paths import CONFIGS

GTA5_SIZE = (1914, 1052)
GOAL = 5.0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=8, help='images to read')
    parser.add_argument('--steps', type=int, default=2, help='training steps, after one that does not count')
    parser.add_argument('--width', type=float, default=1.0, help='factor on the channels of VGG16')
    parser.add_argument('--norm', default='SW', help='at the five sites')
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args(arguments)
    check_common(parser, args)
    return args


def write_gta5(root: Path, count: int) -> None:
    """Smooth random pictures, which compress about as photographs do, and labels in blocks, ids 0 to 33."""
    random = np.random.default_rng(0)
    for folder in ('images', 'labels'):
        (root / folder).mkdir(parents=True)
    for index in range(1, count + 1):
        coarse = random.integers(0, 256, (132, 240, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, GTA5_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.int16)
        picture += random.integers(-6, 7, picture.shape, dtype=np.int16)
        cv2.imwrite(str(root / 'images' / f'{index:05d}.png'), picture.clip(0, 255).astype(np.uint8))
        blocks = random.integers(0, 34, (66, 120), dtype=np.uint8)
        label = Image.fromarray(cv2.resize(blocks, GTA5_SIZE, interpolation=cv2.INTER_NEAREST), mode='P')
        label.putpalette(np.resize(np.array(PALETTE, np.uint8), 768).tolist())
        label.save(root / 'labels' / f'{index:05d}.png')


def reading_times(images: int) -> list[float]:
    """Seconds for each image, the first, which warms up, not counted."""
    config = Config.fromfile(CONFIGS / '_base_/datasets/gta5.py')
    init_default_scope('mmseg')
    times = []
    with tempfile.TemporaryDirectory() as folder:
        write_gta5(Path(folder), images)
        dataset = DATASETS.build({**config.source, 'data_root': folder})
        for index in [0, *range(images)]:
            start = time.perf_counter()
            dataset[index]
            times.append(time.perf_counter() - start)
    return times[1:]


def main(args: argparse.Namespace) -> int:
    """Parse, measure, print."""
    args.size, args.batch, args.dis_width = (1280, 720), 1, None
    read = statistics.median(reading_times(args.images))
    step = build_step('source only', args)
    seconds(step, args.device)
    train = statistics.median(seconds(step, args.device) for _ in range(args.steps))
    print(
        f'read and augment 1280x720: {read * 1e3:.0f} ms an image; training step, width {args.width}, {args.norm}, '
        f'{args.device}: {train:.2f} s; reading is {train / read:.0f} times faster (goal: {GOAL:.0f})'
    )
    return 0 if train / read >= GOAL else 1
