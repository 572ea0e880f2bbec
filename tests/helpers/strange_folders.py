"""Folders as strangers have them: four images, labels in any form, and what the check and a training make of them."""

import argparse

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.config import make_config
from sw_mmseg.own_images.plan import choose

SIZE = (60, 40)  # width, height
COLOURS = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
SHOWN = np.array([[170, 170, 170], [200, 60, 50], [60, 90, 210], [50, 170, 70]], np.uint8)
SHARES = {0: 67.25, 1: 15.75, 2: 12.0, 3: 5.0}  # percent of all pixels, by hand from `scene`


def scene():
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[3:17, 3:30] = 1  # 14 x 27 = 378 of 2400
    labels[20:38, 30:46] = 2  # 18 x 16 = 288
    labels[2:14, 48:58] = 3  # 12 x 10 = 120
    return labels


def photograph(n, colours=SHOWN):
    noise = np.random.default_rng(n).integers(0, 20, (*SIZE[::-1], 3))
    return (colours[scene()].astype(int) + noise).clip(0, 255).astype(np.uint8)


def colour(pixels, path, n):
    """The usual image."""
    Image.fromarray(pixels).save(f'{path}.png')


def write_strange(root, label, image=colour):
    """Four images, by `image(pixels, path without ending, n)`, their labels, by `label(ids, path, n)`, and targets."""
    for folder in ('img', 'lab', 'tgt'):
        (root / folder).mkdir(exist_ok=True)
    for n in range(4):
        image(photograph(n), f'{root}/img/{n}', n)
        label(scene(), f'{root}/lab/{n}', n)
        Image.fromarray(photograph(n) // 2).save(root / f'tgt/{n}.jpg')
    return root


def look(root, source=('img', 'lab'), target='tgt', classes=None, **options):
    source = [str(root / folder) for folder in source]
    return check(source, str(root / target), None, classes, root / 'out', **options)


def shares(checked):
    rows = checked.class_table().rows
    return {name: share for name, _, share in rows}


def notes(checked):
    return ' | '.join(note for folder in checked.folders for note in folder.notes)


def classes(values, names='class {}'):
    """What `shares` gives, with a share for each class and nothing ignored."""
    return {**{names.format(k): pytest.approx(v) for k, v in values.items()}, '(ignored)': 0.0}


def grey(ids, path, n):
    Image.fromarray(ids).save(f'{path}.png')


def read_by_training(root, checked):
    """Images and labels (first sample) that the config of a training reads, without augmentation."""
    args = argparse.Namespace(
        network='narrow', norm='sw', method='adaptsegnet', short_side=None, batch_size=None, iterations=100, seed=0
    )
    choice, _ = choose(args, checked)
    config = make_config(choice, checked, 'sourceonly', {})
    source = config.train_dataloader.dataset
    source = source.get('source', source.get('dataset', source))
    source.pipeline = [step for step in source.pipeline if step.type in ('LoadImage', 'LoadLabels')]
    return DATASETS.build(source)[0]
