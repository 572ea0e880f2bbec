"""How far apart a network holds two domains, layer by layer (Figure 3 of the paper):

    tools/analysis/domain_distance.py CONFIG CHECKPOINT [CONFIG CHECKPOINT ...] [--source DIR] [--target DIR]

MMD² with five Gaussian kernels of the outputs of the first 13 convolutions (with the norm behind them, where there is
one, and a ReLU), unbiased, with a standard error and a permutation test over pictures; the same of what carries style
(each picture's channel means and deviations) and of what is left without it (instance-normalised features); and the
relative distance of covariances. Without folders, the pictures that the config trains on with labels are the source and
those that it tests on the target. Several networks of one architecture come into one plot.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.analysis.domain_layers import PARTS, LayerDistance, distance_table, plot_distances
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import to_csv, to_markdown
from sw_mmseg.reporting.domains import Sampling, compared
from sw_mmseg.reporting.runs import Run
from sw_mmseg.running import paths
from sw_mmseg.running.command_line import add_trust_argument, seed_number
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.option_words import OptionAction
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.studies.documents import fill_with_pictures

DOCS, IMAGES = paths.DOCS / 'understanding.md', paths.DOCS / 'images'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('networks', nargs='+', metavar='CONFIG CHECKPOINT', help='one or more pairs')
    parser.add_argument('--labels', nargs='+', help="a name a network (default: the configs')")
    parser.add_argument('--source', metavar='DIR', help="a folder of images (default: the config's source)")
    parser.add_argument('--target', metavar='DIR', help='a folder of images (default: what the config tests on)')
    parser.add_argument('--images', type=int, default=100, help='of each domain (default: 100)')
    parser.add_argument('--pixels', type=int, default=16, help='of each image and layer (default: 16)')
    parser.add_argument('--layers', type=int, default=13, help='convolutions from the first (default: 13)')
    parser.add_argument('--permutations', type=int, default=500, help='of images between the domains (default: 500)')
    parser.add_argument('--seed', type=seed_number, default=0, help='of images, pixels and permutations')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of every config to change',
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/domain_distance'))
    add_overwrite(parser)
    parser.add_argument('--docs', action='store_true', help='fill docs/understanding.md')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    add_trust_argument(parser)
    return parser.parse_args(arguments)


def open_networks(args: argparse.Namespace) -> list[Run]:
    """The pairs of the command line; raises UserError for what is not there."""
    if len(args.networks) % 2:
        raise UserError(f'give pairs of CONFIG CHECKPOINT, not {len(args.networks)} files')
    pairs = list(zip(args.networks[::2], args.networks[1::2]))
    labels = args.labels or [Path(config).stem for config, _ in pairs]
    if len(labels) != len(pairs) or len(set(labels)) < len(pairs):
        raise UserError(f'{len(pairs)} networks need as many different --labels, not {labels}')
    runs = []
    for label, (config, checkpoint) in zip(labels, pairs):
        if not Path(checkpoint).is_file():
            raise UserError(f'no checkpoint {checkpoint}')
        runs.append(Run(label, Path(checkpoint).parent, Path(checkpoint), load_config(config, args.cfg_options)))
    return runs


def sampling_of(args: argparse.Namespace) -> Sampling:
    """The options; raises UserError for numbers that make no sense."""
    for name in ('images', 'pixels', 'layers', 'permutations'):
        if getattr(args, name) < 1:
            raise UserError(f'--{name} must be at least 1, got {getattr(args, name)}')
    return Sampling(
        args.images,
        args.pixels,
        args.layers,
        args.permutations,
        args.seed,
        {'source': args.source, 'target': args.target},
    )


def caption(part: str, args: argparse.Namespace) -> str:
    """What a table shows."""
    text = f'{PARTS[part]}; at most {args.images} images a domain'
    if part == 'covariance':
        return f'{text}, {args.pixels} pixels each.'
    detail = '' if part == 'style' else f', {args.pixels} pixels each'
    return (
        f'{text}{detail}; ± standard error over images; * p < 0.05 of {args.permutations} exchanges of images. '
        'Zero is no difference.'
    )


def files() -> list[str]:
    """All that is written."""
    return ['domain_distance.md', *(f'{part}.{ending}' for part in PARTS for ending in ('csv', 'png'))]


def write(outputs: Outputs, distances: dict[str, list[LayerDistance]], args: argparse.Namespace) -> str:
    """CSV, PNG and a page; returns the page."""
    parts = []
    for part in PARTS:
        table = distance_table(distances, part, caption(part, args))
        outputs.write(f'{part}.csv', to_csv(table))
        picture = figure_png(lambda theme, part=part: plot_distances(distances, part, theme=theme), LIGHT)
        outputs.write(f'{part}.png', picture)
        parts += [f'### {PARTS[part]}', to_markdown(table).strip(), f'![{PARTS[part]} by layer]({part}.png)']
    page = '\n\n'.join(parts) + '\n'
    outputs.write('domain_distance.md', f'# Domain distance\n\n{page}')
    return page


def main(args: argparse.Namespace) -> int:
    """Parse, measure, write."""
    sampling = sampling_of(args)
    outputs = Outputs(args.out, 'domain_distance', args.overwrite)
    outputs.refuse_existing(files())
    distances = compared(open_networks(args), sampling)
    page = write(outputs, distances, args)
    print(to_markdown(distance_table(distances, 'features', caption('features', args))))
    if args.docs:
        fill_with_pictures(DOCS, IMAGES, 'figure 3', page, args.out, 'understanding_')
    print(f'Written: {args.out}/domain_distance.md and the files beside it')
    return 0
