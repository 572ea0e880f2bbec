"""Which pictures a norm's batch statistics fit least: `tools/analysis/instance_statistics.py CONFIG CHECKPOINT`.

Every picture of source and target becomes a point on a map, by the mean and deviation of each channel at the input of
one norm (`--layer`, default: the first). Target pictures are ranked by their distance from the statistics that the norm
uses in evaluation: of the farthest and the nearest there is a list and a sheet. Pictures are those of
domain_distance.py.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from sw_mmseg.analysis.instance_map import (
    instance_map,
    instance_statistics,
    norm_names,
    plot_instance_map,
    reference_statistics,
    statistic_distances,
)
from sw_mmseg.analysis.predictions import contact_sheet, image_bytes
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import Table, to_csv, to_markdown
from sw_mmseg.reporting.domains import (
    DOMAINS,
    add_network_arguments,
    chosen_pictures,
    core,
    domain_dataset,
    pass_through,
    pictures,
)
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.running.command_line import add_trust_argument
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite

FILES = ('map.png', 'pictures.png', 'target.csv', 'instance_statistics.md')


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_arguments(parser, images=100)
    parser.add_argument('--layer', help='name of a norm of the network (default: the first)')
    parser.add_argument('--show', type=int, default=5, help='how many of the farthest and nearest (default: 5)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/instance_statistics'))
    add_overwrite(parser)
    add_trust_argument(parser)
    return parser.parse_args(arguments)


def rgb(model: torch.nn.Module, picture: dict) -> np.ndarray:
    """H×W×3 uint8 RGB of what a pipeline gave."""
    pixels = picture['inputs'].numpy().transpose(1, 2, 0)
    preprocessor = model.data_preprocessor
    swaps = any(getattr(preprocessor, name, False) for name in ('channel_conversion', '_channel_conversion', 'to_rgb'))
    return np.ascontiguousarray(pixels[..., ::-1] if swaps else pixels)


def file_of(picture: dict, index: int) -> str:
    """Where a picture came from, or its number."""
    path = picture['data_samples'].metainfo.get('img_path')
    return str(path) if path else f'image {index}'


def ranked(dataset: Dataset, indices: list[int], distances: torch.Tensor, reference: str) -> Table:
    """Target pictures, the farthest first."""
    order = distances.argsort(descending=True).tolist()
    rows = [
        (rank, file_of(dataset[indices[place]], indices[place]), float(distances[place]))
        for rank, place in enumerate(order, 1)
    ]
    return Table(('rank', 'target image', 'distance'), tuple(rows), f'Distance from {reference}.', 3)


def sheet(
    model: torch.nn.Module, dataset: Dataset, indices: list[int], distances: torch.Tensor, count: int
) -> np.ndarray:
    """The farthest beside the nearest."""
    order = distances.argsort(descending=True).tolist()
    rows = [
        {'farthest': rgb(model, dataset[indices[far]]), 'nearest': rgb(model, dataset[indices[near]])}
        for far, near in zip(order[:count], order[::-1][:count])
    ]
    return contact_sheet(rows, (), ())


def main(args: argparse.Namespace) -> int:
    """Parse, measure, write."""
    if args.images < 2 or args.show < 1:
        raise UserError('--images must be at least 2 and --show at least 1')
    outputs = Outputs(args.out, 'instance_statistics', args.overwrite)
    outputs.refuse_existing(FILES)
    config, checkpoint = load_config(args.config, args.cfg_options), Path(args.checkpoint)
    model = network(Run(Path(args.config).stem, checkpoint.parent, checkpoint, config))
    norms = norm_names(core(model))
    if not norms or (args.layer and args.layer not in norms):
        raise UserError(f'{args.config} has no norm {args.layer or "at all"}; it has {", ".join(norms) or "none"}')
    layer = args.layer or norms[0]
    datasets = {domain: domain_dataset(config, domain, getattr(args, domain)) for domain in DOMAINS}
    indices = {domain: chosen_pictures(datasets[domain], args.images, args.seed) for domain in DOMAINS}
    vectors = {
        domain: instance_statistics(
            core(model), layer, pictures(datasets[domain], indices[domain], domain), partial(pass_through, model)
        )
        for domain in DOMAINS
    }
    mean, deviation, reference = reference_statistics(core(model).get_submodule(layer), vectors['source'])
    distances = {domain: statistic_distances(vectors[domain], mean, deviation) for domain in DOMAINS}
    write(
        outputs, args.show, model, datasets['target'], indices['target'], vectors, distances, f'{reference} of {layer}'
    )
    return 0


def write(
    outputs: Outputs,
    show: int,
    model: torch.nn.Module,
    target: Dataset,
    indices: list[int],
    vectors: dict[str, torch.Tensor],
    distances: dict[str, torch.Tensor],
    reference: str,
) -> None:
    """map.png, pictures.png, target.csv, instance_statistics.md."""
    projection, farthest = instance_map(vectors), distances['target'].argsort(descending=True)[:show]
    outputs.write(
        'map.png',
        figure_png(lambda theme: plot_instance_map(projection, marked={'target': farthest}, theme=theme), LIGHT),
    )
    outputs.write('pictures.png', image_bytes(sheet(model, target, indices, distances['target'], show)))
    table = ranked(target, indices, distances['target'], reference)
    outputs.write('target.csv', to_csv(table))
    summary = Table(
        ('domain', 'images', 'median distance', 'largest'),
        tuple(
            (domain, len(values), float(values.median()), float(values.max())) for domain, values in distances.items()
        ),
        f'Distance of an image from {reference}.',
        3,
    )
    outputs.write(
        'instance_statistics.md',
        '\n\n'.join(
            [
                '# Instance statistics',
                to_markdown(summary).strip(),
                '![Map of the images; numbers are the farthest of the target](map.png)',
                '![The farthest and the nearest target images](pictures.png)',
                to_markdown(Table(table.headings, table.rows[:show], table.caption, 3)).strip(),
            ]
        )
        + '\n',
    )
    print(f'{to_markdown(summary)}\nWritten: {outputs.folder}/instance_statistics.md and the files beside it')
