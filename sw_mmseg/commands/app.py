"""A page to play with, in your browser: `sw-mmseg app`. It needs the extra: pip install 'sw_mmseg[app]'.

Drop an image or a short video: networks trained on drawn streets label it side by side, from weights that come with
the package (docs/model_cards.md), and one of yours with --config and --checkpoint. Sliders mix statistics and switches;
a picture shows what whitening does to a feature; a second tab transfers a style. The page is served to this machine
alone, and nothing leaves it. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import importlib.util

import torch
from mmseg.registry import MODELS

from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.devices import refuse_unusable
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.ready_weights import STYLE, checkpoint_of, ready_models
from sw_mmseg.running.style_files import load_network as load_style


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', help='of a segmentation network of yours, to show beside the others')
    parser.add_argument('--checkpoint', help='its .pth file')
    parser.add_argument('--style', metavar='CHECKPOINT', help='a style network of yours')
    parser.add_argument('--port', type=int, help='of the page (default: the first free one from 7860 on)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Load the networks, serve the page."""
    if importlib.util.find_spec('gradio') is None:
        raise UserError("the page needs gradio: pip install 'sw_mmseg[app]'")
    if bool(args.config) != bool(args.checkpoint):
        raise UserError('--config and --checkpoint go together')
    if args.port is not None and not 1 <= args.port < 2**16:
        raise UserError(f'--port {args.port} is no port: give a number from 1 to {2**16 - 1}')
    refuse_unusable(args.device)
    from sw_mmseg.app.networks import Network, ready_networks
    from sw_mmseg.app.page import build_page, launch

    networks = ready_networks(args.device)
    if args.config:
        config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
        networks.append(Network('yours', load_network(MODELS, config, args), config))
    if not networks:
        raise UserError('there is no network to show: give one with --config and --checkpoint')
    page = build_page(networks, style_network(args.style))
    print(f'open {launch(page, args.port)} in a browser of this machine; Ctrl-C ends it', flush=True)
    page.block_thread()
    return 0


def style_network(checkpoint: str | None):
    """The network of `--style`, else the one that comes with the package, if any."""
    if checkpoint is None:
        ready = next((model for model in ready_models().values() if model.task == STYLE), None)
        checkpoint = str(checkpoint_of(ready)) if ready else None
    return load_style(checkpoint) if checkpoint else None
