"""Make the weights that come with the package: `publish_weights.py`, in a checkout.

Trains what has not been trained (half an hour on two CPU cores), packs the networks into sw_mmseg/weights_to_try in
half precision, measures what was packed, and writes manifest.json there and the table of docs/model_cards.md. Networks
that `make demo` has trained are taken with --work-dir work_dirs/demo. With --repack nothing is trained: published
networks are packed and measured again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import DOCS
from sw_mmseg.running.ready_weights import FOLDER, find_model, ready_models
from sw_mmseg.studies.documents import fill
from sw_mmseg.studies.weights import publish
from sw_mmseg.studies.weights.recipes import NAMES, recipes

SIZES = (800, 100)  # training images of each domain, and test images of the target


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--models', nargs='+', default=list(NAMES), metavar='NAME', help=f'which to make (default: {", ".join(NAMES)})'
    )
    parser.add_argument('--data', type=Path, default=Path('data/streets'), help='where streets are, or will be')
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
        f' --images {args.images} --test-images {args.test_images}' if (args.images, args.test_images) != SIZES else ''
    )
    return f'python tools/model_converters/publish_weights.py --models {name}{sizes}'


def main(args: argparse.Namespace) -> int:
    """Train, pack, measure, write down."""
    try:
        streets = generate_streets(
            args.data, source=args.images, target_train=args.images, target_val=args.test_images, workers=usable_cores()
        )
    except FileExistsError as error:
        raise UserError(f'{error} (--data DIR takes another folder)') from error
    for recipe in recipes(args.models, streets, args.work_dir):
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
