"""Give a trained network the running statistics of the target: `reestimate_statistics.py CONFIG CHECKPOINT OUT`.

A few forward passes over unlabelled target images; no weight is trained. Most of what BatchNorm loses between two
domains comes back this way, so compare with it before crediting an adaptation method. SW's importance ratios can be
learnt again too. Without any target image, for whatever the network will meet:

    reestimate_statistics.py CONFIG CHECKPOINT OUT --switches source --keep-statistics
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch.utils.data import DataLoader
from tqdm import tqdm

from sw_mmseg.adaptation import DisturbedSource, estimate_statistics, estimate_switches
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.data_sets import labelled_images, unlabelled_images
from sw_mmseg.running.devices import refuse_unusable
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite, refuse_among_inputs


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('out', type=Path, help='the checkpoint to write')
    parser.add_argument('--images-from', metavar='DIR', help="a folder of target images (default: the config's target)")
    parser.add_argument('--images', type=int, default=200, help='how many target images to look at (default: 200)')
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument(
        '--switches',
        nargs='?',
        const='target',
        choices=('target', 'source'),
        help="then also SW's importance ratios: on the target images, by the certainty and diversity "
        'of predictions (default), or on labelled source images in disturbed light and colours',
    )
    parser.add_argument('--keep-statistics', action='store_true', help='leave the running statistics as they are')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_overwrite(parser)
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def target_loader(config: Config, folder: str | None, batch_size: int) -> DataLoader:
    """Target images in a fixed shuffled order: those of a folder, or of the config's pair of domains."""
    pair = config.train_dataloader.dataset
    if folder is None and 'target' not in pair:
        raise UserError('a source-only config has no target images to take statistics from: give --images-from DIR')
    return shuffled(pair.target if folder is None else unlabelled_images(config, folder), batch_size)


def source_loader(config: Config, batch_size: int) -> DataLoader:
    """The labelled images of the config's training, likewise."""
    if config.train_dataloader.dataset.type == 'TargetAlone':
        raise UserError(
            'the config trains on target images alone, and has no labelled ones for --switches source: --switches '
            'target takes target images'
        )
    return shuffled(labelled_images(config), batch_size)


def shuffled(dataset: ConfigDict, batch_size: int) -> DataLoader:
    """Batches in an order of their own, always the same."""
    return Runner.build_dataloader(
        ConfigDict(
            batch_size=batch_size,
            num_workers=1,
            dataset=dataset,
            collate_fn=ConfigDict(type='pseudo_collate'),
            sampler=ConfigDict(type='DefaultSampler', shuffle=True),
        ),
        seed=0,
    )


def some(loader: DataLoader, images: int) -> tqdm:
    """Batches of so many images, or of all."""
    count = -(-min(images, len(loader.dataset)) // loader.batch_size)
    return tqdm(itertools.islice(loader, count), total=count, unit='batch')


def of_one_size(batches: Iterable[dict]) -> Iterator[dict]:
    """The batches. Raises UserError where one holds target images of several sizes, which no network takes at once."""
    for batch in batches:
        sizes = sorted({(image.shape[-1], image.shape[-2]) for image in batch.get('target', batch)['inputs']})
        if len(sizes) > 1:
            texts = ', '.join(f'{width}x{height}' for width, height in sizes)
            raise UserError(f'target images of several sizes ({texts}) make no batch: give --batch-size 1')
        yield batch


def estimate(model: torch.nn.Module, config: Config, args: argparse.Namespace) -> list[str]:
    """What was asked for; returns what was done, a sentence each.

    Raises:
        UserError: the network has no such thing, or the config no such images.
    """
    done, target = [], None
    if not args.keep_statistics or args.switches == 'target':
        target = build('data', lambda: target_loader(config, args.images_from, args.batch_size))
    if not args.keep_statistics:
        batches = some(target, args.images)
        layers = estimate_statistics(model, of_one_size(batches))
        if not layers:
            raise UserError(
                'the network keeps no running statistics: there is nothing to estimate'
                + ' (--keep-statistics for the switches alone)' * bool(args.switches)
            )
        done.append(f'statistics of {layers} layers on {batches.total} target batches of {args.batch_size}')
    if args.switches:
        loader = target if args.switches == 'target' else build('data', lambda: source_loader(config, args.batch_size))
        batches = some(loader, args.images)
        on_target = args.switches == 'target'
        if not estimate_switches(
            model, of_one_size(batches) if on_target else batches, objective=None if on_target else DisturbedSource()
        ):
            raise UserError('the network has no switches: leave out --switches')
        done.append(f'switches on {batches.total} {args.switches} batches of {args.batch_size}')
    return done


def main(args: argparse.Namespace) -> int:
    """Parse, estimate, write."""
    if args.images < 1 or args.batch_size < 1:
        raise UserError('--images and --batch-size must be at least 1')
    if args.keep_statistics and not args.switches:
        raise UserError('--keep-statistics leaves nothing to do without --switches')
    refuse_unusable(args.device)
    refuse_among_inputs(args.out, Path(args.checkpoint))
    outputs = Outputs.of_file(args.out, 'reestimate_statistics', args.overwrite)
    config = load_config(args.config, args.cfg_options, args.work_dir, norm=args.norm, network=args.network)
    model = build('model', lambda: MODELS.build(config.model))
    load_weights(model, args.checkpoint)
    model.to(args.device)
    done = estimate(model, config, args)
    meta = {'cfg': config.pretty_text, 'estimated': done}
    outputs.write_encoded(args.out.name, partial(torch.save, {'state_dict': model.cpu().state_dict(), 'meta': meta}))
    print(f'Estimated: {", ".join(done)}. Written to {args.out}')
    return 0
