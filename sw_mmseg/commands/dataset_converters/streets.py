"""Makes the streets data set: `python tools/dataset_converters/streets.py data/streets`.

The pictures go to OUT/VARIANT in the layouts of GTA5 (source) and Cityscapes (target). Stop it at will: the next call
goes on where it stopped. `sw_mmseg/datasets/streets/domains.py` says how the two domains differ.
"""

import argparse
import os

from tqdm import tqdm

from sw_mmseg.datasets.streets import VARIANTS, generate_streets, write_ade20k
from sw_mmseg.datasets.streets.domains import DEFAULT
from sw_mmseg.running.command_line import seed_number, size_word
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.training import stopped


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('out', nargs='?', default='data/streets', help='folder for the data set')
    parser.add_argument(
        '--variant',
        choices=tuple(VARIANTS),
        default=DEFAULT,
        help='how target images differ among each other; broad: a source for photographs',
    )
    parser.add_argument('--size', type=size_word, default='256x128', help='width x height of the images')
    parser.add_argument('--source', type=int, default=800, help='labelled source images')
    parser.add_argument('--target-train', type=int, default=800, help='target images to adapt to')
    parser.add_argument('--target-val', type=int, default=100, help='target images to score on')
    parser.add_argument('--seed', type=seed_number, default=0)
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--overwrite', action='store_true', help='throw away images made with other options')
    parser.add_argument('--ade20k', action='store_true', help="also write the target images in ADE20K's layout")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parses, generates, and says where the pictures are."""
    with tqdm(desc='streets', unit='img') as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            root = generate_streets(
                args.out,
                args.variant,
                args.size,
                args.source,
                args.target_train,
                args.target_val,
                args.seed,
                args.workers,
                args.overwrite,
                show,
            )
            if args.ade20k:
                write_ade20k(root)
        except (FileExistsError, ValueError) as error:
            raise UserError(str(error)) from error
        except KeyboardInterrupt as stop:
            return stopped(stop)
    print(f'streets are in {root}')
    return 0
