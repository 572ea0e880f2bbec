"""Stylise a picture, a folder of pictures or a video: `tools/stylize.py CHECKPOINT INPUT OUT`.

`tools/stylize.py --model style INPUT OUT` takes weights that come with the package (docs/model_cards.md).

OUT is a folder, or, for one picture or video, a file if it has a suffix. Pictures of any size: what memory cannot hold
whole is computed in tiles that share the statistics of the whole picture, and shows no seams. A checkpoint is read
as data: code in it is not run. Exit status: 0, 1 where some pictures could not be read, 2 where nothing was done. Files
that exist are not written over without --overwrite, unless an earlier call wrote them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sw_mmseg.running.devices import refuse_unusable
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite, refuse_among_inputs
from sw_mmseg.running.ready_weights import STYLE, add_model, says_model, use_model
from sw_mmseg.running.style_files import (
    VIDEOS,
    free_bytes,
    is_video,
    load_network,
    stylise_pictures,
    stylise_video,
    stylised_file,
    video_file,
)
from sw_mmseg.stylization import StyleNetwork, WholePicture, find_pictures

TILE = 512
MAPS = 6  # of the first width and the picture's size that are alive at once, with some to spare


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if not says_model(arguments):
        parser.add_argument('checkpoint', help='a .pth file that tools/train.py wrote with a *_style_*.py config')
    parser.add_argument('input', type=Path, help=f'a picture, a folder of pictures, or a video ({", ".join(VIDEOS)})')
    parser.add_argument('out', type=Path, help='a folder; or a file such as out.png, out.mp4')
    parser.add_argument('--alpha', type=float, default=1.0, help='share of the style, 0 (content) to 1 (default)')
    parser.add_argument(
        '--tile',
        type=int,
        help='pixels a side of a tile, a multiple of 4 from 32 on; 0: never tiles '
        f'(default: {TILE} where a picture would take more than half of the free memory, else none)',
    )
    parser.add_argument(
        '--smooth',
        type=float,
        default=0.0,
        help="of a video, how much of the earlier frames' statistics stays, 0 (default) to below 1: "
        '0.9 keeps colours from flickering; a cut fades',
    )
    add_model(parser, STYLE, 'CHECKPOINT')
    add_overwrite(parser)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be done before anything is read."""
    if not 0 <= args.alpha <= 1:
        raise UserError(f'--alpha must lie in 0..1, got {args.alpha}')
    if not 0 <= args.smooth < 1:
        raise UserError(f'--smooth must be at least 0 and less than 1, got {args.smooth}')
    if args.tile and (args.tile < 32 or args.tile % 4):
        raise UserError(f'--tile must be a multiple of 4 and at least 32, or 0; got {args.tile}')
    if not args.input.exists():
        raise UserError(f'no such picture, folder or video: {args.input}')
    refuse_unusable(args.device)


def engine(network: StyleNetwork, args: argparse.Namespace, pixels: int) -> WholePicture:
    """What stylises pictures of so many pixels: whole, or in tiles where memory asks for them."""
    tile = args.tile
    if tile is None:
        need = MAPS * 4 * network.encoder[0][0].out_channels * pixels
        tile = TILE if need > free_bytes(args.device) / 2 else 0
    try:
        return WholePicture(network, tile, args.smooth, args.device)
    except ValueError as error:
        raise UserError(str(error)) from error


def main(args: argparse.Namespace) -> int:
    """Load, stylise, write."""
    if args.model:
        use_model(args, STYLE)
    check(args)
    network = load_network(args.checkpoint)

    def make(pixels: int) -> WholePicture:
        return engine(network, args, pixels)

    if args.input.is_dir():
        refuse_among_inputs(args.out, args.input)
    if is_video(args.input):
        file = video_file(args.input, args.out)
        with files_at([file], args, [args.input]).writing(file.name) as part:
            stylise_video(make, args.input, part, args.alpha)
        return 0
    if args.smooth:
        raise UserError('--smooth is for videos: pictures of a folder have nothing to do with each other')
    folder = args.input if args.input.is_dir() else args.input.parent
    paths = find_pictures(folder) if args.input.is_dir() else [args.input]
    files = {path: stylised_file(path, folder, args.out, single=not args.input.is_dir()) for path in paths}
    outputs = files_at(list(files.values()), args, paths)
    return stylise_pictures(make, files, outputs, args.alpha).status('stylised')


def files_at(files: list[Path], args: argparse.Namespace, inputs: list[Path]) -> Outputs:
    """What writes these files, none of which is in the way."""
    folder = files[0].parent if args.out in files else args.out
    outputs = Outputs(folder, 'stylize', args.overwrite)
    outputs.refuse_existing((str(file.relative_to(folder)) for file in files), inputs)
    return outputs
