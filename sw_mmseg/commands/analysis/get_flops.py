"""Parameters and multiply-adds of a config's network, and SW's share: `tools/analysis/get_flops.py CONFIG`.

Counts one image through the whole segmentation network (backbone and head that predicts; an auxiliary head does not).
FLOPs, as a multiplication and an addition are counted apart, are twice as many.
"""

from __future__ import annotations

import argparse

import torch
from mmseg.registry import MODELS

from sw_mmseg.analysis.complexity import complexity_table, layer_costs, readable
from sw_mmseg.analysis.tables import to_markdown
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config, without_weights
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import use_streets


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a file of configs/')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="of the image (default: the config's crop, else 512 1024)",
    )
    parser.add_argument('--layers', action='store_true', help='also list every SW layer')
    parser.add_argument('--streets', action='store_true', help='of the small network that train.py --streets trains')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parse, count, print."""
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    if args.streets:
        use_streets(config)
    crop = config.model.get('data_preprocessor', {}).get('size')
    height, width = args.shape or crop or (512, 1024)
    if min(height, width) < 1:
        raise UserError('--shape must be two positive numbers')
    model = build('model', lambda: MODELS.build(without_weights(config.model)))
    costs = layer_costs(model, lambda: model(torch.zeros(1, 3, height, width), mode='tensor'))
    print(f'{args.config}, one image of {height}x{width} (height x width)\n')
    print(to_markdown(complexity_table(costs)))
    if args.layers:
        print()
        for cost in costs:
            if cost.kind == 'SW':
                print(
                    f'{cost.name:32} {readable(cost.parameters):>9} parameters, {readable(cost.operations):>9} '
                    'multiply-adds'
                )
    return 0
