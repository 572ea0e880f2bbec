"""Convert an ImageNet model that the paper's authors released: `switchable_whitening.py IN OUT`.

OUT holds a classifier of this package; its `backbone.` part starts segmentation and detection networks. Which norms of
the network have to be SW, and with which options, is printed. Every key and shape is checked; a file that is not one of
the released models is refused with the keys that are wrong, and no code in it is executed.
"""

from __future__ import annotations

import argparse
import pickle
from functools import partial
from pathlib import Path

import torch

from sw_mmseg.files import is_whole_archive
from sw_mmseg.models.released import LAYOUTS, RELEASED, ReleasedError, convert_released, released_norms
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite, refuse_among_inputs

USE = {
    'mmpretrain': 'python tools/test.py configs/{config} {out}; in mmseg and mmdet backbones '
    "init_cfg=dict(type='Pretrained', checkpoint='{out}', prefix='backbone.')",
    'backbone': "init_cfg=dict(type='Pretrained', checkpoint='{out}') of a backbone",
    'torchvision': "torchvision's or timm's {arch} with `replace_norm` at these norms, then load_state_dict",
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('input', type=Path, metavar='IN', help='a released file (.pth, .pth.tar)')
    parser.add_argument('output', type=Path, metavar='OUT', help='the checkpoint to write')
    parser.add_argument('--arch', choices=sorted(RELEASED), help='which network it is (default: found from the keys)')
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default='mmpretrain',
        help="mmpretrain: a classifier, the default; backbone: its backbone alone; torchvision: torchvision's names",
    )
    add_overwrite(parser)
    parser.set_defaults(local_rank=0, traceback=False)
    return parser.parse_args(arguments)


def read(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file, read without executing anything in it.

    Raises:
        UserError: no such file, one with more in it than plain data, or none with weights.
    """
    if not path.is_file():
        raise UserError(f'no file {path}')
    is_whole_archive(path)
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise UserError(f'{path} is not a file of plain weights, and nothing else is read: {error}') from error
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise UserError(f'{path} holds no state dict, but a {type(content).__name__}')
    return state


def main(args: argparse.Namespace) -> int:
    """Read, convert, write."""
    refuse_among_inputs(args.output, args.input)
    outputs = Outputs.of_file(args.output, 'model_converters switchable_whitening', args.overwrite)
    state = read(args.input)
    try:
        released = convert_released(state, args.arch, args.layout)
    except ReleasedError as error:
        raise UserError(f'{args.input}: {error}') from error
    names = [name.removeprefix('backbone.') for name in released_norms(released.arch, args.layout)]
    meta = {'arch': released.arch, 'norm_cfg': released.norm_cfg, 'norms': names}
    outputs.write_encoded(args.output.name, partial(torch.save, {'state_dict': released.state, 'meta': meta}))
    network = released.arch if released.arch.startswith('densenet') else f'{released.arch}released'
    use = USE[args.layout].format(config=f'sw_{network}_imagenet.py', out=args.output, arch=released.arch)
    print(
        f'{released.arch}: {len(state)} entries converted, none left over; written to {args.output}\n'
        f'norms: {released.norm_cfg}\nat: {names}\nuse: {use}'
    )
    return 0
