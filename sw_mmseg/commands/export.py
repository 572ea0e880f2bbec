"""Write a trained network as one file that runs without this package: `sw-mmseg export CONFIG CHECKPOINT OUT`.

The file takes an image (1, height, width, 3), uint8, RGB, of any size, and gives labels (1, height, width) and logits;
scaling and normalisation are in it. OUT.json, beside it, has the names and colours of classes. Switchable layers become
part of their convolutions where --fold allows. What the file gives is compared with what the network gives here, at two
sizes; an ONNX file needs ONNX Runtime for that (pip install '.[export]').
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from pathlib import Path

from mmseg.registry import MODELS

from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.exporting import FORMATS, compare, deployed, description, example_images, folded, runner_of, save
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.running.prediction import build_reader, find_images, meta_of

WORST = 1e-2  # of the logits, from which on the file is said to differ
LOOKED_AT = 20  # images, for two of different sizes


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('out', type=Path, help='the file to write, such as network.onnx')
    parser.add_argument('--format', choices=tuple(FORMATS), help="(default: by OUT's ending, .onnx or .pt)")
    parser.add_argument('--images', type=Path, metavar='DIR', help='of real images, to compare on (default: noise)')
    parser.add_argument(
        '--fold',
        type=float,
        default=0.0,
        metavar='R',
        help='leave out image statistics whose ratios sum to at most R, 0 to 1, and fold those layers (default: 0)',
    )
    add_overwrite(parser)
    add_common_arguments(parser)
    args = parser.parse_args(arguments)
    if not 0 <= args.fold < 1:
        parser.error('--fold is a sum of ratios, at least 0 and less than 1')
    return args


def main(args: argparse.Namespace) -> int:
    """Parse, export, compare. Exit status 1 where the file differs from the network."""
    warnings.filterwarnings('ignore')  # of tracers, on every branch that they pass
    kind = args.format or next((name for name, ending in FORMATS.items() if args.out.suffix == ending), None)
    if kind is None:
        raise UserError(f'{args.out}: give --format, or a name that ends with {" or ".join(FORMATS.values())}')
    names = (args.out.name, args.out.with_suffix('.json').name)
    outputs = Outputs(args.out.parent, 'export', args.overwrite)
    outputs.refuse_existing(names)
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    args.device = 'cpu'
    whole = deployed(config, load_network(MODELS, config, args))
    network, count, layers = folded(whole, args.fold)
    if layers:
        print(f'{count} of {layers} switchable layers folded into convolutions (--fold {args.fold:g})')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    meta = build('data set', lambda: meta_of(config.test_dataloader.dataset))
    with outputs.writing(names[0]) as part:
        save(network, part, kind)
    outputs.write(names[1], description(kind, meta))
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {args.out.with_suffix(".json")}')
    run = runner_of(args.out, kind)
    if run is None:
        print("not compared: ONNX Runtime is not installed (pip install '.[export]')")
        return 0
    files = itertools.islice(find_images(args.images).values(), LOOKED_AT) if args.images else ()
    read = build('pipeline', lambda: build_reader(config.test_dataloader.dataset.pipeline))
    images = example_images([read(file)[..., ::-1] for file in files])
    worst = 0.0
    for d in compare(run, whole, images):
        worst = max(worst, d.logits)
        print(
            f'{d.size[0]}x{d.size[1]}: largest difference of logits {d.logits:.1e}, {100 * d.labels:.3f} % of the '
            f'labels; {d.seconds:.3f} s, {d.seconds_here:.3f} s in torch'
        )
    if worst > WORST and args.fold == 0:
        print(f'the file does not give what the network gives: logits differ by {worst:.1e}')
        return 1
    return 0
