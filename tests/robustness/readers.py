"""Every reader of files from elsewhere: a whole file of each kind, and what reads it."""

import base64
import io
import json
import shutil
import zipfile

import cv2
import numpy as np
import torch
from PIL import Image
from tifffile import imwrite

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.datasets.check_coco import check_coco
from sw_mmseg.datasets.class_yaml import read_class_table
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.datasets.label_file import read_label
from sw_mmseg.datasets.polygons.coco import read_coco
from sw_mmseg.datasets.polygons.labelme import read_labelme
from sw_mmseg.datasets.polygons.yolo import read_yolo
from sw_mmseg.openmmlab import load_local_checkpoint
from sw_mmseg.running.archives import unpack
from sw_mmseg.running.outputs import Outputs
from sw_mmseg.stylization.pictures import read_picture

SIZE = (40, 24)


def pixels(bands=3, dtype=np.uint8):
    values = np.random.default_rng(0).integers(0, 200, (SIZE[1], SIZE[0], bands))
    return values.squeeze().astype(dtype)


def encoded(kind, mode='RGB', **options):
    stream = io.BytesIO()
    picture = Image.fromarray(pixels(1 if mode in 'LP' else 3))
    picture.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def tiff(values, **options):
    stream = io.BytesIO()
    imwrite(stream, values, **options)
    return stream.getvalue()


def coco():
    objects = [
        {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [2, 2, 9, 9], 'area': 81, 'iscrowd': 0,
         'segmentation': [[2, 2, 11, 2, 11, 11, 2, 11]]},
        {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 4, 4], 'area': 16, 'iscrowd': 1,
         'segmentation': {'size': [24, 40], 'counts': [100, 20, 840]}},
    ]  # fmt: skip
    images = [{'id': 1, 'file_name': 'image.png', 'width': 40, 'height': 24}]
    return json.dumps({'images': images, 'annotations': objects, 'categories': [{'id': 1, 'name': 'car'}]}).encode()


def mask():
    """As labelme writes the part of a picture that an object covers."""
    stream = io.BytesIO()
    Image.fromarray(np.ones((6, 6), bool)).save(stream, 'PNG')
    return base64.b64encode(stream.getvalue()).decode()


def labelme():
    shapes = [
        {'label': 'car', 'shape_type': 'polygon', 'points': [[1, 1], [9, 1], [9, 9]]},
        {'label': 'bus', 'shape_type': 'circle', 'points': [[9, 9], [12, 9]]},
        {'label': 'cat', 'shape_type': 'mask', 'points': [[3, 3], [8, 8]], 'mask': mask()},
    ]
    return json.dumps({'imageHeight': 24, 'imageWidth': 40, 'shapes': shapes}).encode()


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('a/one.txt', 'one' * 100)
        file.writestr('two.png', encoded('PNG'))
    return stream.getvalue()


def checkpoint(**options):
    stream = io.BytesIO()
    torch.save({'state_dict': {'weight': torch.rand(8, 8)}, 'meta': {'iter': 3, 'cfg': 'a = 1'}}, stream, **options)
    return stream.getvalue()


def array():
    stream = io.BytesIO()
    np.save(stream, pixels(1))
    return stream.getvalue()


def anew(path):
    """Into an empty folder, or members that lie there would not be read."""
    shutil.rmtree(path.parent / 'out', ignore_errors=True)
    unpack([path], path.parent / 'out')


def read_record(path):
    Outputs(path.parent, 'predict').refuse_existing(['image.png'])


def check(path):
    dataset = {'type': 'CocoDataset', 'data_root': str(path.parent), 'ann_file': path.name, 'data_prefix': {'img': ''}}
    check_coco({**dataset, 'metainfo': {'classes': ('car',)}})


IMAGES = {
    'png': encoded('PNG'),
    'palette.png': encoded('PNG', 'P'),
    'deep.png': cv2.imencode('.png', pixels(1, np.uint16) * 200)[1].tobytes(),
    'jpg': encoded('JPEG'),
    'bmp': encoded('BMP'),
    'webp': encoded('WebP', lossless=True),
    'gif': encoded('GIF', 'P'),
    'ppm': encoded('PPM'),
    'jp2': encoded('JPEG2000'),
    'tif': tiff(pixels(), photometric='rgb', compression='deflate'),
    'five.tif': tiff(pixels(1, np.float32)),
}
TABLE = b'classes:\n  - name: car\n    ids: [1, 2]\n    color: [0, 0, 142]\n  - name: road\n    ids: [3]\nignore: [0]\n'
# name -> content of the file `name`, and what reads it by its path
READERS = {
    **{f'image.{name}': (content, lambda path: read_image(str(path))) for name, content in IMAGES.items()},
    **{
        f'label.{name}': (IMAGES[name], lambda path: read_label(str(path)))
        for name in ('png', 'palette.png', 'bmp', 'gif', 'tif', 'five.tif')
    },
    'label.npy': (array(), lambda path: read_label(str(path))),
    'picture.png': (IMAGES['png'], read_picture),
    'picture.jpg': (IMAGES['jpg'], read_picture),
    'coco.json': (coco(), lambda path: read_coco(str(path), {'image.png': 'image'})),
    'check.json': (coco(), check),
    'labelme.json': (labelme(), lambda path: read_labelme(str(path), 'image', str(path.parent / 'image.png'))),
    'yolo.txt': (
        b'0 0.1 0.1 0.9 0.1 0.9 0.9\n1 0.2 0.2 0.3 0.2 0.3 0.4 0.2 0.4\n',
        lambda path: read_yolo(str(path), 'image', str(path.parent / 'image.png'), {0: 'car'}),
    ),
    'classes.yaml': (TABLE, read_class_table),
    'archive.zip': (archive(), anew),
    'checkpoint.pth': (checkpoint(), lambda path: load_local_checkpoint(str(path))),
    'old.pth': (
        checkpoint(_use_new_zipfile_serialization=False),
        lambda path: load_local_checkpoint(str(path)),
    ),
    '.written_by_sw_mmseg': (
        b'{"file": "image.png", "by": "predict", "state": [1, 2]}\n' * 3,
        read_record,
    ),
}
