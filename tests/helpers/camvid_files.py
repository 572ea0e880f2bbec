"""Drawn files in the layouts of streets and of CamVid, and configs made small enough for them."""

import numpy as np
from mmengine.config import Config
from PIL import Image

from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.studies.photographs.cells import configured

PHOTOGRAPHS = {
    'train': ('0001TP_1', '0001TP_2', '0006R0_3', '0016E5_4'),
    'val': ('0016E5_5',),
    'test': ('0001TP_6', 'Seq05VD_7'),
}


def write_camvid(root):
    """Streets of 64x48, and noise in the layout of CamVid whose labels are stripes."""
    generate_streets(root / 'streets_camvid', 'broad', size=(64, 48), source=4, target_train=0, target_val=0)
    rng = np.random.default_rng(0)
    for split, names in PHOTOGRAPHS.items():
        for name in names:
            for folder in ('images', 'labels'):
                (root / f'camvid/{folder}/{split}').mkdir(parents=True, exist_ok=True)
            noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / f'camvid/images/{split}/{name}.jpg')
            stripes = np.tile(np.arange(64) // 5 % 12, (48, 1)).astype(np.uint8)
            Image.fromarray(stripes).save(root / f'camvid/labels/{split}/{name}.png')
    return root


def smaller(node, data):
    """The same config with data in another folder and sizes divided by four."""
    if isinstance(node, dict):
        return {key: smaller(value, data) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        sizes = {(256, 192): (64, 48), (192, 256): (48, 64)}
        return sizes[node] if isinstance(node, tuple) and node in sizes else type(node)(smaller(v, data) for v in node)
    return str(data / node.removeprefix('data/')) if isinstance(node, str) and node.startswith('data/') else node


def small_configured(data):
    """`cells.configured` of the study on photographs, from scratch on the files in a folder, two images a batch."""

    def small(cell, work_dir):
        config, run = configured(cell, work_dir)
        config = Config(smaller(config.to_dict(), data))
        for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            config[part].batch_size = 2
        config.model.get('segmentor', config.model).backbone.init_cfg = None
        return config, run

    return small
