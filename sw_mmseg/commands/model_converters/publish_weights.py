"""Make the weights that come with the package: `publish_weights.py`, in a checkout.

Trains what has not been trained (half an hour on two CPU cores), packs the networks into sw_mmseg/weights_to_try in
half precision, measures what was packed, and writes manifest.json there and the table of docs/model_cards.md. Networks
that `make demo` or the study on photographs has trained are taken with --work-dir work_dirs/demo or
work_dirs/photographs. With --repack nothing is trained: published networks are packed and measured again. The score on
photographs needs CamVid in data/camvid; the training does not.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import DOCS
from sw_mmseg.running.ready_weights import FOLDER, find_model, ready_models
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.recipes import BROAD, BROAD_OPTIONS, NAMES, draws_broad, draws_streets, recipes

SIZES = (800, 100)  # training images of each domain, and test images of the target


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--models', nargs='+', default=list(NAMES), metavar='NAME', help=f'which to make (default: {", ".join(NAMES)})'
    )
    parser.add_argument('--data', type=Path, default=Path('data/streets'), help='where streets are, or will be')
    parser.add_argument('--broad-data', type=Path, default=BROAD, help='where broad streets are, or will be')
    parser.add_argument('--images', type=int, default=SIZES[0], help='training images of each domain, as of the demo')
    parser.add_argument('--test-images', type=int, default=SIZES[1], help='of the target')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/weights_to_try'))
    parser.add_argument('--out', type=Path, default=FOLDER, help='of the packed weights and their manifest')
    parser.add_argument('--repack', action='store_true', help='take the networks that are published, and train nothing')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def command_of(name: str, args: argparse.Namespace) -> str:
    """What makes one of the models again, and measures it."""
    sizes = (
        f' --images {args.images} --test-images {args.test_images}'
        if draws_streets([name]) and (args.images, args.test_images) != SIZES
        else ''
    )
    return f'python tools/model_converters/publish_weights.py --models {name}{sizes}'


def draw(args: argparse.Namespace) -> tuple[Path, Path]:
    """The folders of the demo's streets and of broad ones; what is missing in those that are needed is drawn."""
    workers = usable_cores()
    demo: dict[str, Any] = dict(
        variant='varied', source=args.images, target_train=args.images, target_val=args.test_images
    )
    folders = []
    for option, out, needed, options in (
        ('data', args.data, draws_streets(args.models), demo),
        ('broad-data', args.broad_data, draws_broad(args.models) and not args.repack, BROAD_OPTIONS),
    ):
        try:
            folders.append(
                generate_streets(out, workers=workers, **options) if needed else out / str(options['variant'])
            )
        except FileExistsError as error:
            raise UserError(f'{error} (--{option} DIR takes another folder)') from error
    return folders[0], folders[1]


def main(args: argparse.Namespace) -> int:
    """Train, pack, measure, write down."""
    streets, broad = draw(args)
    for recipe in recipes(args.models, streets, args.work_dir, broad):
        if args.repack:
            model = publish.repack(find_model(recipe.name), args.out)
        else:
            publish.train(recipe)
            model = publish.publish(recipe, args.out, command_of(recipe.name, args))
        publish.write_manifest([model], args.out)
        model = replace(model, scores=publish.measure(model, streets, args.work_dir))
        publish.write_manifest([model], args.out)
        print(f'{model.name}: {model.file.stat().st_size / 1e6:.1f} MB, {model.scores or "no score"}', flush=True)
    if args.out.resolve() == FOLDER.resolve() and (DOCS / 'model_cards.md').is_file():
        fill(DOCS / 'model_cards.md', 'weights', publish.cards(list(ready_models().values())))
    publish.check_size(args.out)
    return 0
