"""How white a trained network's SW layers leave two domains: `tools/analysis/whiteness.py CONFIG CHECKPOINT`.

For every SW layer, on pictures of source and target: the distance of its output's covariance from the identity, before
γ and β, for single pictures and for all together; condition numbers of the covariances that it inverts; and the
residual of Newton's iteration. Pictures are those of domain_distance.py.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config

from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import to_csv, to_markdown
from sw_mmseg.analysis.whiteness import Whiteness, measure_whiteness, plot_whiteness, whiteness_table
from sw_mmseg.reporting.domains import (
    DOMAINS,
    add_network_arguments,
    chosen_pictures,
    domain_dataset,
    pass_through,
    pictures,
)
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.running.command_line import add_trust_argument
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_arguments(parser, images=30)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/whiteness'))
    add_overwrite(parser)
    add_trust_argument(parser)
    return parser.parse_args(arguments)


def measure(model: torch.nn.Module, config: Config, args: argparse.Namespace) -> dict[str, list[Whiteness]]:
    """Domain -> its layers."""
    layers = {}
    for domain in DOMAINS:
        dataset = domain_dataset(config, domain, getattr(args, domain))
        indices = chosen_pictures(dataset, args.images, args.seed)
        try:
            layers[domain] = measure_whiteness(model, pictures(dataset, indices, domain), partial(pass_through, model))
        except ValueError as error:
            raise UserError(f'{args.config}: {error}') from error
    return layers


def main(args: argparse.Namespace) -> int:
    """Parse, measure, write."""
    if args.images < 2:
        raise UserError(f'--images must be at least 2, got {args.images}')
    outputs = Outputs(args.out, 'whiteness', args.overwrite)
    outputs.refuse_existing(['whiteness.csv', 'whiteness.md', 'whiteness.png'])
    config, checkpoint = load_config(args.config, args.cfg_options), Path(args.checkpoint)
    model = network(Run(Path(args.config).stem, checkpoint.parent, checkpoint, config))
    layers = measure(model, config, args)
    table = whiteness_table(
        layers,
        f'{checkpoint.name}, at most {args.images} images a domain, before γ and β: ‖cov − I‖ / √D, where 0 is white.',
    )
    outputs.write('whiteness.csv', to_csv(table))
    outputs.write('whiteness.md', f'# Whiteness\n\n{to_markdown(table)}\n![Distance from white](whiteness.png)\n')
    outputs.write('whiteness.png', figure_png(lambda theme: plot_whiteness(layers, theme=theme), LIGHT))
    print(f'{to_markdown(table)}\nWritten: {args.out}/whiteness.md and the files beside it')
    return 0
