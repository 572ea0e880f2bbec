"""Networks that come with the package on a user's photographs: no training, and no labels, so no score."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sw_mmseg.datasets.camvid_labels import CAMVID_CLASSES, camvid_to_cityscapes
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.running.prediction import build_pipeline, fitted, meta_of, segment_pixels
from sw_mmseg.running.ready_weights import PHOTOGRAPHS, SEGMENTATION, ReadyModel, load_ready, ready_models

__all__ = ['LONG_SIDE', 'READY', 'for_photographs', 'photograph_pixels', 'predictions']

READY = 'comes with the package: {}'  # title of a network's picture
LONG_SIDE = 640  # pixels of a photograph that is looked at: large ones would take gigabytes, and show no more


def for_photographs() -> list[ReadyModel]:
    """The networks of the package that are meant for photographs."""
    return [model for model in ready_models().values() if (model.task, model.images) == (SEGMENTATION, PHOTOGRAPHS)]


def photograph_pixels(file: str | Path) -> np.ndarray:
    """H×W×3 uint8 BGR, the longer side at most `LONG_SIDE`."""
    return fitted(read_image(str(file)).pixels, LONG_SIDE)


def predictions(name: str, images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """What a network of the package sees in BGR pixels: H×W train ids of Cityscapes' 19 classes, of which a network of
    CamVid's eleven uses as many."""
    network, config = load_ready(name)
    dataset = config.test_dataloader.dataset
    pipeline = build_pipeline(dataset.pipeline, from_file=False)
    labels = [segment_pixels(network, pipeline, image) for image in images]
    if tuple(meta_of(dataset)['classes']) != CAMVID_CLASSES:
        return labels
    return [camvid_to_cityscapes()[seen] for seen in labels]
