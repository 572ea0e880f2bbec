"""Draws the style pictures strokes, mosaic and hatching: `python tools/dataset_converters/styles.py data/styles`.

Configs name them without any file, as drawn://strokes; this is for looking at them, and for other sizes and seeds.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from PIL import Image

from sw_mmseg.running.command_line import seed_number
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.stylization import STYLES, draw_style


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', nargs='?', type=Path, default=Path('data/styles'), help='folder (default: data/styles)')
    parser.add_argument('--styles', nargs='+', choices=list(STYLES), default=list(STYLES))
    parser.add_argument('--size', type=int, default=512, help='pixels a side (default: 512)')
    parser.add_argument('--seed', type=seed_number, default=0)
    add_overwrite(parser)
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Draw and write."""
    if not 64 <= args.size <= 4096:
        raise UserError(f'--size must lie in 64..4096, got {args.size}')
    outputs = Outputs(args.out, 'styles', args.overwrite)
    outputs.refuse_existing(f'{name}.png' for name in args.styles)
    for name in args.styles:
        picture = Image.fromarray(draw_style(name, args.size, args.seed))
        outputs.write_encoded(f'{name}.png', partial(picture.save, format='PNG'))
        print(args.out / f'{name}.png')
    return 0
