"""Deep images of folders that have another white each: as bright in predictions and scores as in training."""

import argparse
import copy
import dataclasses

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

from sw_mmseg.own_images import training
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.config import make_config, own_white
from sw_mmseg.own_images.plan import choose
from sw_mmseg.own_images.training import Examiner
from sw_mmseg.running.prediction import build_reader
from tests.helpers.strange_folders import grey, photograph, scene

WHITES = {'img': 4095, 'tgt': 65535, 'val': 1023}


def write_deep(root):
    """A source of 12 bits, a target of 16 with a picture of the night among them, and labelled ones of 10 bits."""
    for folder, white in WHITES.items():
        (root / folder).mkdir(exist_ok=True)
        for n in range(4):
            values = photograph(n)[..., 0] / 255 * white
            night = folder == 'tgt' and n == 0
            Image.fromarray((values / (20 if night else 1)).astype(np.uint16)).save(root / f'{folder}/{n}.png')
    (root / 'valab').mkdir()
    for n in range(4):
        grey(scene(), f'{root}/valab/{n}', n)


def test_every_folder_is_as_bright_as_in_training(folders, monkeypatch):
    """Of the night picture alone 4095 would be taken for white: it would be predicted as a picture of the day."""
    root = folders(grey)
    for file in [*(root / 'img').iterdir(), *(root / 'tgt').iterdir()]:
        file.unlink()
    write_deep(root)
    places = [[str(root / image), str(root / label)] for image, label in (('img', 'lab'), ('val', 'valab'))]
    checked = check(places[0], str(root / 'tgt'), places[1], None, root / 'out')
    assert {f.role: f.scan.white for f in checked.folders} == {'source': 4095, 'target': 65535, 'target-val': 1023}
    args = argparse.Namespace(
        network='narrow', norm='bn', method='adaptsegnet', short_side=None, batch_size=None, iterations=100, seed=0
    )
    choice, _ = choose(args, checked)
    config = make_config(choice, checked, 'adaptsegnet', {})

    night = root / 'tgt/0.png'
    values = np.asarray(Image.open(night)).astype(float)
    expected = (values * 255 / 65535).round()
    assert expected.mean() < 12
    train = config.train_dataloader.dataset.target.pipeline
    for pipeline in (train, config.test_dataloader.dataset.pipeline, config.test_pipeline):
        np.testing.assert_array_equal(build_reader(pipeline)(night)[..., 0], expected)

    assert own_white(checked) == ['--cfg-options', 'test_dataloader.dataset.pipeline.0.white=1023.0']
    assert own_white(dataclasses.replace(checked, target_val=checked.target)) == []
    assert own_white(dataclasses.replace(checked, target_val=None)) == []
    scoring = copy.deepcopy(config)
    scoring.merge_from_dict({'test_dataloader.dataset.pipeline.0.white': 1023})
    val = DATASETS.build(scoring.test_dataloader.dataset)[0]['inputs'].float().mean()
    assert 60 < val < 200  # as bright as in the source: 1023 is its white

    config.work_dir = str(root / 'out/run')
    examiner, scored = Examiner(config, choice, checked, 2), []
    monkeypatch.setattr(training, 'test', lambda _, loader: (scored.append(loader.dataset), []))
    monkeypatch.setattr('sw_mmseg.own_images.config.held_out', lambda folder: 2)
    for domain in ('source', 'target-val'):
        examiner.iou(None, domain)
    assert [step.white for data in scored for step in data.pipeline.transforms if hasattr(step, 'white')] == [
        4095,
        1023,
    ]
    loader, _ = examiner.target_batches(4)
    assert [s.white for s in loader.dataset.pipeline.transforms if hasattr(s, 'white')] == [65535]


def test_a_source_alone_that_is_deep_gives_the_white(folders):
    """The target's files have 8 bits, of which a white changes nothing."""

    def deep(pixels, path, n):
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 16).save(f'{path}.png')

    root = folders(grey, deep)
    checked = check([str(root / 'img'), str(root / 'lab')], str(root / 'tgt'), None, None, root / 'out')
    args = argparse.Namespace(
        network='narrow', norm='bn', method='adaptsegnet', short_side=None, batch_size=None, iterations=100, seed=0
    )
    config = make_config(choose(args, checked)[0], checked, 'adaptsegnet', {})
    dataset = DATASETS.build(config.test_dataloader.dataset)
    assert dataset.pipeline.transforms[0].white == 4095
