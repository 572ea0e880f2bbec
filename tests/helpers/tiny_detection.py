"""Tiny COCO data of any classes, in the layout that a config asks for, and networks made narrow."""

import json
from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS
from PIL import Image

# boxes x, y, w, h of every picture, 96x64; one has no object, one nothing but a crowd
PICTURES = ([(10, 8, 30, 40), (50, 20, 40, 30)], [(5, 5, 60, 50)], [], [(20, 10, 25, 45)])
CROWD = 3


def write_coco(annotation_file, folder, classes):
    """Pictures into `folder`, the annotation file beside; objects go through the first and the last class."""
    content = {'images': [], 'annotations': [], 'categories': [{'id': i + 1, 'name': c} for i, c in enumerate(classes)]}
    rng = np.random.default_rng(0)
    for number, boxes in enumerate(PICTURES):
        pixels = rng.integers(0, 80, (64, 96, 3), dtype=np.uint8)
        for x, y, w, h in boxes:
            pixels[y : y + h, x : x + w] += 150
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            mask = {'size': [64, 96], 'counts': [64 * x + y, h, 96 * 64 - 64 * x - y - h]}
            content['annotations'].append(
                {
                    'id': len(content['annotations']) + 1,
                    'image_id': number,
                    'bbox': [x, y, w, h],
                    'area': w * h,
                    'category_id': (1, len(classes))[number % 2],
                    'iscrowd': int(number == CROWD),
                    'segmentation': mask if number == CROWD else [corners],
                }
            )
        name = f'{number:012d}.png'
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
        content['images'].append({'id': number, 'file_name': name, 'width': 96, 'height': 64})
    annotation_file.parent.mkdir(parents=True, exist_ok=True)
    annotation_file.write_text(json.dumps(content))


def innermost(dataset):
    return innermost(dataset.dataset) if 'dataset' in dataset else dataset


def use_tiny_data(config, root):
    """All data of a detection config under `root`, made there, read small and without worker processes."""
    root = Path(root)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        dataset = innermost(loader.dataset)
        folder = root / part
        classes = dataset.get('metainfo', DATASETS.get(dataset.type).METAINFO)['classes']
        write_coco(folder / dataset.ann_file, folder / dataset.data_prefix.img, classes)
        dataset.data_root = str(folder)
        loader.update(num_workers=0, persistent_workers=False)
        for transform in dataset.pipeline:
            if 'scale' in transform:
                transform.scale = (96, 64) if isinstance(transform.scale, tuple) else [(96, 64), (96, 72)]
        if part != 'train':
            config[f'{part}_evaluator'].ann_file = str(folder / dataset.ann_file)


WIDTHS = ('in_channels', 'out_channels', 'feat_channels', 'conv_out_channels')


def narrow(node, channels=32):
    """Every width of an mmdet model config, in place; the backbone is 8 times narrower than ResNet-50 at 32."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'fc_out_channels' or value in (64, 256) and key in WIDTHS:
                node[key] = channels
            else:
                narrow(value, channels)
    elif isinstance(node, (list, tuple)):
        for part in node:
            narrow(part, channels)


def make_narrow(model, channels=32):
    """A narrow model config of ResNet and FPN, from scratch."""
    narrow(model, channels)
    model.backbone.update(init_cfg=None, stem_channels=channels, base_channels=channels)
    model.neck.in_channels = [channels * factor for factor in (4, 8, 16, 32)]
    return model
