"""The demo without its trainings: the networks that come with the package, scored on a few newly drawn images, and on
photographs of the user's, which have no labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sw_mmseg.adaptation.target_labelling import spread
from sw_mmseg.analysis import Table, contact_sheet, image_bytes
from sw_mmseg.datasets import labels
from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.datasets.unlabelled import UnlabelledImages
from sw_mmseg.files import whole_file
from sw_mmseg.running.data_sets import test_loaders
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.ready_weights import SEGMENTATION, STREETS, ReadyModel, load_ready, ready_models
from sw_mmseg.running.schedules import data_options
from sw_mmseg.running.scoring import miou, test
from sw_mmseg.running.training import quiet
from sw_mmseg.studies.demo.ready import photograph_pixels, predictions
from sw_mmseg.studies.demo.samples import labelled_sheet, places

__all__ = ['IMAGES', 'quick', 'quick_photographs']

IMAGES = 20  # of each domain
SEED = 2  # of the drawing: 0 is that of the trainings, 1 that of their unseen source images


def quick(work_dir: Path, variant: str, size: tuple[int, int], pictures: int, images: int = IMAGES) -> Table:
    """Scores of each network of streets on both domains; `work_dir` gets quick.png and the images that were drawn.

    Args:
        variant, size: of the streets, see `generate_streets`.
        pictures: how many target images quick.png shows.

    Raises:
        UserError: no network comes with the package, or other images lie where the new ones should.
    """
    models = [model for model in ready_models().values() if model.images == STREETS]
    if not models:
        raise UserError('no network comes with this package; without --quick the demo trains some')
    try:
        folder = generate_streets(work_dir / 'quick', variant, size, images, 0, images, SEED, usable_cores())
    except (FileExistsError, ValueError) as error:
        raise UserError(f'{error} (--work-dir DIR lets the demo use another folder)') from error
    shown = places(pictures, images)
    rows, sheets = [], [{} for _ in shown]
    meta: dict = {}
    for model in models:
        with quiet(work_dir / 'console.log'):
            *scores, meta = _scores(model, folder, shown, sheets)
        rows.append((model.name, model.summary, *scores))
    with whole_file(work_dir / 'quick.png') as part:
        part.write_bytes(image_bytes(contact_sheet(sheets, meta['classes'], meta['palette'])))
    caption = f'mIoU of 19 classes in percent over {images} images of each domain that no training saw.'
    return Table(('model', 'what it is', 'target', 'source'), tuple(rows), caption)


def quick_photographs(work_dir: Path, photographs: UnlabelledImages, pictures: int) -> Path:
    """What every network of the package sees in some photographs, as a sheet; returns its file in `work_dir`."""
    places_shown = spread(len(photographs), pictures)
    images = [photograph_pixels(photographs.get_data_info(place)['img_path']) for place in places_shown]
    sheets = [{'photograph': np.ascontiguousarray(image[..., ::-1])} for image in images]
    for model in ready_models().values():
        if model.task == SEGMENTATION:
            with quiet(work_dir / 'console.log'):
                seen = predictions(model.name, images)
            for sheet, labels_seen in zip(sheets, seen):
                sheet[model.name] = labels_seen
    file = work_dir / 'photographs.png'
    with whole_file(file) as part:
        part.write_bytes(image_bytes(contact_sheet(sheets, labels.CLASSES, labels.PALETTE)))
    return file


def _scores(model: ReadyModel, folder: Path, shown: Sequence[int], sheets: list[dict]) -> tuple[float, float, dict]:
    """mIoU on target and source, and what the data set says of its classes, the same for all models; what the network
    sees in the images to show is added to `sheets`."""
    network, config = load_ready(model.name)
    config.merge_from_dict(data_options(config.test_dataloader, str(folder), 'test_dataloader'))
    loaders = test_loaders(config, folder / 'gta5')
    target, labels = test(network, loaders['target'], shown)
    source, _ = test(network, loaders['source'])
    for index, sheet, seen in zip(shown, sheets, labels):
        if not sheet:
            sheet |= labelled_sheet(loaders['target'].dataset[index])
        sheet[model.name] = seen
    return miou(target), miou(source), loaders['target'].dataset.metainfo
