"""Detection for the tools that paint pictures: a network of mmdet, its pipeline and its classes."""

from __future__ import annotations

import argparse

import mmdet.models  # noqa: F401  with operators that the plugin serves
import numpy as np
import torch
from _cli import build
from _weights import load_weights
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from predict import build_pipeline

from sw_mmseg.analysis.detections import draw_detections
from sw_mmseg.datasets.check_coco import coco_datasets


class DetectionPainter:
    """Pictures in, pictures with masks, boxes and scores out."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        model = build('model', lambda: MODELS.build(config.model))
        load_weights(model, args.checkpoint)
        self.model = revert_sync_batchnorm(model).to(args.device)
        self.model.eval()
        dataset = next(coco_datasets(config.test_dataloader.dataset))
        own = build('data set', lambda: DATASETS.get(dataset.type).METAINFO)
        self.meta = {**own, **(dataset.get('metainfo') or {})}
        self.pipeline = build('pipeline', lambda: build_pipeline(dataset.pipeline, from_file=False))
        self.opacity, self.score = args.opacity, args.score

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """H×W×3 BGR to H×W×3 BGR."""
        packed = self.pipeline({'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]})
        (sample,) = self.model.test_step({'inputs': [packed['inputs']], 'data_samples': [packed['data_samples']]})
        found = sample.pred_instances[sample.pred_instances.scores >= self.score].cpu()
        masks = found.masks.numpy() if 'masks' in found else None
        painted = draw_detections(np.ascontiguousarray(image[..., ::-1]), found.bboxes.numpy(), found.labels.tolist(),
                                  found.scores.tolist(), self.meta['classes'], self.meta['palette'], masks,
                                  self.opacity)
        return painted[..., ::-1]
