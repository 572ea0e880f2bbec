"""Detection for the tools that paint pictures: a network of mmdet, its pipeline and its classes."""

from __future__ import annotations

import argparse
from pathlib import Path

import mmdet.models  # noqa: F401  with operators that the plugin serves
import numpy as np
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config

from sw_mmseg.analysis.detections import draw_detections
from sw_mmseg.datasets.check_coco import coco_datasets
from sw_mmseg.running.checkpoints import load_network
from sw_mmseg.running.configs import build
from sw_mmseg.running.prediction import build_pipeline, build_reader, test_pixels

__all__ = ['DetectionPainter']


class DetectionPainter:
    """Pictures in, pictures with masks, boxes and scores out."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        self.model = load_network(MODELS, config, args)
        dataset = next(coco_datasets(config.test_dataloader.dataset))
        defaults = build('data set', lambda: DATASETS.get(dataset.type).METAINFO)
        self.meta = {**defaults, **(dataset.get('metainfo') or {})}
        self.pipeline, self.read = build(
            'pipeline', lambda: (build_pipeline(dataset.pipeline, from_file=False), build_reader(dataset.pipeline))
        )
        self.opacity, self.score = args.opacity, args.score

    def __call__(self, image: np.ndarray, file: Path | None = None) -> np.ndarray:
        """H×W×3 BGR to H×W×3 BGR. UserError, which names `file`, where an image is too small."""
        objects = test_pixels(self.model, self.pipeline, image, file).pred_instances
        objects = objects[objects.scores >= self.score].cpu()
        masks = objects.masks.numpy() if 'masks' in objects else None
        painted = draw_detections(
            np.ascontiguousarray(image[..., ::-1]),
            objects.bboxes.numpy(),
            objects.labels.tolist(),
            objects.scores.tolist(),
            self.meta['classes'],
            self.meta['palette'],
            masks,
            self.opacity,
        )
        return painted[..., ::-1]
