"""COCO files of instance maps: by pycocotools' own reckoning, and against the maps they were made from."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets.errors import DatasetError
from sw_mmseg.datasets.instances import CITYSCAPES, GROUPS, annotate
from sw_mmseg.datasets.labels import ID
from sw_mmseg.datasets.streets import VARIANTS, draw_sample, generate_streets
from sw_mmseg.datasets.streets.instances import instance_files, write_instances

pytest.importorskip('pycocotools')
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

SIZE = (128, 64)


def test_a_map_by_hand():
    """A car of 2x3 pixels, one of a single pixel, a group of cars, a caravan, a person behind the first car."""
    ids = np.full((6, 8), ID['road'], np.uint16)
    ids[1:3, 1:4] = ID['car'] * 1000 + 1
    ids[5, 7] = ID['car'] * 1000 + 2
    ids[0, 4:8] = ID['car']
    ids[4, 0:2] = ID['caravan'] * 1000
    ids[3, 1:3] = ids[1, 0] = ID['person'] * 1000
    person, car, crowd = annotate(ids, CITYSCAPES, crowd_below=2)
    names = list(CITYSCAPES)
    assert names == ['person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle']
    assert [names[a['category_id'] - 1] for a in (person, car, crowd)] == ['person', 'car', 'car']
    assert (car['area'], car['bbox'], car['iscrowd']) == (6, [1, 1, 3, 2], 0)
    assert (person['area'], person['bbox'], person['iscrowd']) == (3, [0, 1, 3, 3], 0)  # in two parts
    assert (crowd['area'], crowd['bbox'], crowd['iscrowd']) == (5, [4, 0, 4, 6], 1)
    kept = annotate(ids, CITYSCAPES, crowd_below=0)
    assert [a['area'] for a in kept] == [3, 6, 1, 4] and [a['iscrowd'] for a in kept] == [0, 0, 0, 1]
    vehicles = [a for a in annotate(ids, GROUPS) if a['category_id'] == 2]
    assert sorted(a['area'] for a in vehicles) == [1, 2, 4, 6]  # the caravan is one of them
    assert annotate(np.full((4, 4), ID['sky'], np.uint16)) == []
    with pytest.raises(ValueError, match=r"\['sky'\] have no instances; those that have: person, rider, car"):
        annotate(ids, {'above': ('sky',)})


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    root = generate_streets(tmp_path_factory.mktemp('streets'), size=SIZE, source=4, target_train=2, target_val=3)
    return root, write_instances(root, game_val=1, crowd_below=8)


def test_streets_have_the_instances_of_their_labels(streets):
    root, files = streets
    assert files == instance_files(root) and len(files) == 8 and all(path.is_file() for path in files.values())
    counts = {'game_train': 3, 'game_val': 1, 'camera_train': 2, 'camera_val': 3}
    objects = crowds = 0
    for part, count in counts.items():
        coco = COCO(files[f'cityscapes_{part}'])
        assert len(coco.imgs) == count
        for image in coco.loadImgs(coco.getImgIds()):
            path = Path(root) / image['file_name']
            assert Image.open(path).size == SIZE == (image['width'], image['height'])
            labels = np.array(
                Image.open(
                    root / 'gta5/labels' / path.name
                    if part.startswith('game')
                    else str(path).replace('leftImg8bit', 'gtFine', 1).replace('leftImg8bit', 'gtFine_labelIds')
                )
            )
            covered = np.zeros_like(labels)
            for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image['id'])):
                mask, rle = coco.annToMask(annotation), coco.annToRLE(annotation)
                assert annotation['area'] == coco_mask.area(rle) == mask.sum() > 0
                rows, columns = np.nonzero(mask)
                box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
                assert annotation['bbox'] == coco_mask.toBbox(rle).tolist() == box
                name = coco.cats[annotation['category_id']]['name']
                assert set(labels[mask == 1]) == {ID[name]}
                assert annotation['iscrowd'] or annotation['area'] >= 8
                covered += mask
                objects += not annotation['iscrowd']
                crowds += annotation['iscrowd']
            # every pixel of a class belongs to one object or to a crowd, and to nothing else
            assert (covered == np.isin(labels, [ID[name] for name in CITYSCAPES])).all()
    assert objects > 15 and crowds > 5


def test_instances_are_those_of_the_pictures_instance_maps(streets):
    root, files = streets
    content = json.loads(files['groups_camera_val'].read_text())
    for index, image in enumerate(content['images']):
        sample = draw_sample(VARIANTS['varied'][1], SIZE, 0, 'target_val', index)
        expected = annotate(sample.instances, GROUPS, 8)
        annotations = [a for a in content['annotations'] if a['image_id'] == image['id']]
        assert [
            {key: value for key, value in a.items() if key not in ('id', 'image_id')} for a in annotations
        ] == expected
    assert len({a['id'] for a in content['annotations']}) == len(content['annotations'])
    assert [c['name'] for c in content['categories']] == ['person', 'vehicle']


def test_perfect_detections_score_one_hundred(streets):
    """Crowds do not count against what finds every object: pycocotools' AP of the truth is 1, also with their boxes."""
    from pycocotools.cocoeval import COCOeval

    coco = COCO(streets[1]['groups_game_train'])
    truth = coco.loadAnns(coco.getAnnIds())
    for kind in ('bbox', 'segm'):
        results = [
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                score=0.9,
                bbox=a['bbox'],
                segmentation=a['segmentation'],
            )
            for a in truth
        ]
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == 1.0


def test_what_is_no_streets_set_says_how_to_make_one(tmp_path, streets):
    with pytest.raises(DatasetError, match=r'no streets in .*python tools/dataset_converters/streets_instances.py'):
        write_instances(tmp_path / 'varied')
    with pytest.raises(DatasetError, match='has 4 pictures of the game: 4 of them cannot be held out'):
        write_instances(streets[0], game_val=4)
    (tmp_path / 'old').mkdir()
    manifest = json.loads((streets[0] / 'manifest.json').read_text())
    (tmp_path / 'old' / 'manifest.json').write_text(json.dumps({**manifest, 'version': 0}))
    with pytest.raises(DatasetError, match='of version 0, this program draws version 1: make them anew with'):
        write_instances(tmp_path / 'old', game_val=1)
    (tmp_path / 'old' / 'manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match='00001.png is missing'):
        write_instances(tmp_path / 'old', game_val=1)
