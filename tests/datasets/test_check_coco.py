"""What is wrong with data in COCO's format is said before anything is trained, with the way out."""

import json
import re

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from sw_mmseg.datasets import DatasetError, check_dataset

pytest.importorskip('mmdet')
import sw_mmseg.plugin  # noqa: F401

CONFIGS = __file__.rsplit('/tests/', 1)[0] + '/configs'


@pytest.fixture
def coco(tmp_path):
    """A data set of two pictures with two classes, and its config; `edit` changes its annotation file."""
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'train').mkdir()
    content = {
        'images': [dict(id=n, file_name=f'{n}.png', width=20, height=10) for n in (1, 2)],
        'annotations': [dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 5, 5], area=25, iscrowd=0)],
        'categories': [dict(id=1, name='person'), dict(id=2, name='vehicle')],
    }
    for image in content['images']:
        Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / 'train' / image['file_name'])
    dataset = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='annotations/own.json',
        data_prefix=dict(img='train/'),
        metainfo=dict(classes=('person', 'vehicle')),
    )

    def edit(**changes):
        (tmp_path / 'annotations' / 'own.json').write_text(json.dumps({**content, **changes}))
        return content

    edit()
    return tmp_path, dataset, edit


def test_what_is_whole_passes_also_inside_others(coco):
    root, dataset, edit = coco
    check_dataset(dataset)
    check_dataset(dict(type='RepeatDataset', times=8, dataset=dataset))
    check_dataset(dict(type='ConcatDataset', datasets=[dataset, dataset]), decode=None)
    edit(annotations=[])
    check_dataset({**dataset, 'test_mode': True})
    check_dataset({**dataset, 'data_root': 's3://bucket/coco'})  # not ours to look at


def test_everything_that_can_be_missing(coco):
    root, dataset, edit = coco
    file = root / 'annotations' / 'own.json'
    cases = {
        'lacks 1 of the classes of CocoDataset.*metainfo.classes': dict(categories=[dict(id=1, name='person')]),
        'holds 2 pictures and 0 objects': dict(annotations=[]),
        '1 of the 3 pictures of .*own.json are not in .*train/, the first is sub/3.png': dict(
            images=edit()['images'] + [dict(id=3, file_name='sub/3.png', width=20, height=10)]
        ),
        '2.png is 20x10, its annotation file says 10x20': dict(
            images=[edit()['images'][0], dict(id=2, file_name='2.png', width=10, height=20)]
        ),
    }
    for message, change in cases.items():
        edit(**change)
        with pytest.raises(DatasetError, match=message):
            check_dataset(dict(type='RepeatDataset', times=2, dataset=dataset))
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DatasetError, match='own.json is no JSON .*was it cut short'):
        check_dataset(dataset)
    file.write_text('{"images": []}')
    with pytest.raises(DatasetError, match="is not in COCO's format: it lacks annotations, categories"):
        check_dataset(dataset)
    edit()
    (root / 'train' / '1.png').write_bytes(b'no picture')
    with pytest.raises(DatasetError, match=r'train/1.png cannot be read'):
        check_dataset(dataset)


@pytest.mark.parametrize(
    'name, way_out',
    [
        ('sw_maskrcnn_coco', r'data/coco/? is missing.*cocodataset.org/#download.*configs/sw_maskrcnn_streets.py'),
        ('sw_maskrcnn_cityscapes', r'data/cityscapes/? is missing.*cityscapes_instances.py'),
        ('sw_maskrcnn_streets', r'is missing.*streets_instances.py data/streets_instances$'),
    ],
)
def test_configs_say_where_their_data_come_from(name, way_out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile(f'{CONFIGS}/{name}.py')
    for loader in (config.train_dataloader, config.val_dataloader):
        with pytest.raises(DatasetError) as error:
            check_dataset(loader.dataset)
        assert re.search(way_out, ' '.join(str(error.value).split())), error.value
