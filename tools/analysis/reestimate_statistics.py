"""Give a trained network the running statistics of the target: `reestimate_statistics.py CONFIG CHECKPOINT OUT`.

A few forward passes over unlabelled target images; no weight is trained. Most of what BatchNorm loses between two
domains comes back this way, so compare with it before crediting an adaptation method.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from _cli import UserError, add_common_arguments, build, load_config, run_tool, unlabelled_images
from _weights import load_weights
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmseg.registry import MODELS
from tqdm import tqdm


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    parser.add_argument('out', type=Path, help='the checkpoint to write')
    parser.add_argument('--images-from', metavar='DIR', help="a folder of target images (default: the config's target)")
    parser.add_argument('--images', type=int, default=200, help='how many target images to look at (default: 200)')
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--switches', action='store_true',
                        help="then also SW's importance ratios, by the certainty and diversity of its predictions")
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def target_loader(config: Config, folder: str | None, batch_size: int) -> torch.utils.data.DataLoader:
    """Target images in a fixed shuffled order: those of a folder, or of the config's pair of domains."""
    pair = config.train_dataloader.dataset
    if folder is None and 'target' not in pair:
        raise UserError('a source-only config has no target images to take statistics from: give --images-from DIR')
    dataset = pair.target if folder is None else unlabelled_images(config, folder)
    return Runner.build_dataloader(
        ConfigDict(batch_size=batch_size, num_workers=1, dataset=dataset, collate_fn=ConfigDict(type='pseudo_collate'),
                   sampler=ConfigDict(type='DefaultSampler', shuffle=True)), seed=0)


def main(args: argparse.Namespace) -> int:
    """Parse, estimate, write."""
    from sw_mmseg.adaptation import estimate_statistics, estimate_switches
    if args.images < 1 or args.batch_size < 1:
        raise UserError('--images and --batch-size must be at least 1')
    config = load_config(args.config, args.cfg_options, args.work_dir)
    model = build('model', lambda: MODELS.build(config.model))
    load_weights(model, args.checkpoint)
    model.to(args.device)
    loader = build('data', lambda: target_loader(config, args.images_from, args.batch_size))
    count = -(-min(args.images, len(loader.dataset)) // args.batch_size)
    layers = estimate_statistics(model, tqdm(itertools.islice(loader, count), total=count, unit='batch'))
    if not layers:
        raise UserError('the network keeps no running statistics: there is nothing to estimate')
    if args.switches and not estimate_switches(model, tqdm(itertools.islice(loader, count), total=count, unit='batch')):
        raise UserError('the network has no switches: leave out --switches')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    meta = {'cfg': config.pretty_text, 'statistics': f'{count} target batches of {args.batch_size}',
            'switches': 're-estimated' if args.switches else 'as trained'}
    torch.save({'state_dict': model.cpu().state_dict(), 'meta': meta}, args.out)
    print(f'{layers} layers estimated on {count} batches of {args.batch_size}; written to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_arguments()))
