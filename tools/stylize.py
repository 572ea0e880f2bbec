"""Stylise pictures: `tools/stylize.py CHECKPOINT INPUT OUT`, INPUT an image or a folder, OUT a folder of PNG files."""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from _cli import UserError, run_tool
from PIL import Image

from sw_mmseg.stylization import StyleNetwork, find_pictures, read_picture


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='a .pth file that tools/train.py wrote')
    parser.add_argument('input', type=Path, help='an image, or a folder of images')
    parser.add_argument('out', type=Path, help='a folder')
    parser.add_argument('--alpha', type=float, default=1.0, help='share of the style, 0 (content) to 1 (default)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    return parser.parse_args(arguments)


def load_network(path: str) -> StyleNetwork:
    """The network of a checkpoint, built from the settings that it holds."""
    try:
        state = torch.load(path, map_location='cpu', weights_only=False)['state_dict']
        state = {k.removeprefix('network.'): v for k, v in state.items() if k.startswith('network.')}
        network = StyleNetwork(**json.loads(bytes(state['settings'].tolist())))
        network.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f'{path} is no checkpoint of a *_style_*.py config: {error}') from error
    return network.eval()


def main(args: argparse.Namespace) -> int:
    """Load, stylise, write."""
    if not 0 <= args.alpha <= 1:
        raise UserError(f'--alpha must lie in 0..1, got {args.alpha}')
    network = load_network(args.checkpoint).to(args.device)
    folder = args.input if args.input.is_dir() else args.input.parent
    for path in find_pictures(folder) if args.input.is_dir() else [args.input]:
        content = read_picture(path).to(args.device)
        with torch.inference_mode():
            picture = args.alpha * network(content[None])[0] + (1 - args.alpha) * content
        out = args.out / path.relative_to(folder).parent / f'{path.name}.png'
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)).save(out)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_arguments()))
