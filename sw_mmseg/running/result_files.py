"""What a test run writes for each image: label maps (--out) and painted images (--show-dir).

mmseg's own metric and hook name files by the image's base name, so that images of one name in two folders overwrite one
another; mmdet's hook numbers them, each process from 1. Here names are paths below the deepest folder that holds all
images, so sub-folders are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample
from PIL import Image
from torch.utils.data import Dataset

from sw_mmseg.analysis import overlay
from sw_mmseg.analysis.detections import draw_detections
from sw_mmseg.engine import ClassIoUMetric
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs
from sw_mmseg.running.prediction import build_reader, names_below

__all__ = ['LabelMapMetric', 'PaintedImageHook', 'prepare_files']

OPACITY = 0.55
Names = dict[str, str]  # path of an image -> name of its results


@METRICS.register_module()
class LabelMapMetric(ClassIoUMetric):
    """`ClassIoUMetric` that also writes the predicted train ids of each image, as one grey channel.

    Args:
        arguments: of `IoUMetric`, but for `output_dir`.

    `outputs` and `names` are given by `prepare_files`, once the data set is there.
    """

    outputs: Outputs
    names: Names

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Compares with the truth and writes."""
        super().process(data_batch, data_samples)
        for sample in data_samples:
            labels = sample['pred_sem_seg']['data'].squeeze(0).cpu().numpy()
            if sample.get('reduce_zero_label', False):
                labels = labels + 1  # as ADE20K's benchmark has it: what the data set took off
            picture = Image.fromarray(labels.astype(np.uint8))
            self.outputs.write_encoded(f'{self.names[sample["img_path"]]}.png', partial(picture.save, format='PNG'))


@HOOKS.register_module()
class PaintedImageHook(Hook):
    """Writes each image under the colours of the classes, or the masks and boxes, that the network saw in it.

    Args:
        pipeline: of the test, whose first step reads images.
        score: of detections, those that are less sure are left out.
    """

    outputs: Outputs
    names: Names

    def __init__(self, pipeline: Sequence[dict], score: float = 0.3) -> None:
        self.read, self.score = build_reader(list(pipeline)), score

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Paints a batch."""
        meta = runner.test_dataloader.dataset.metainfo
        for sample in outputs or ():
            image = np.ascontiguousarray(self.read(Path(sample.img_path))[..., ::-1])
            if 'pred_instances' in sample:
                painted = self._detections(image, sample.pred_instances, meta)
            else:
                labels = sample.pred_sem_seg.data.squeeze(0).to(torch.uint8).cpu().numpy()
                painted = overlay(image, labels, meta['palette'], OPACITY)
            picture = Image.fromarray(painted)
            self.outputs.write_encoded(f'{self.names[sample.img_path]}.png', partial(picture.save, format='PNG'))

    def _detections(self, image: np.ndarray, objects: InstanceData, meta: dict) -> np.ndarray:
        objects = objects[objects.scores >= self.score].cpu()
        masks = np.asarray(objects.masks) if 'masks' in objects else None
        return draw_detections(
            image,
            objects.bboxes.numpy(),
            objects.labels.tolist(),
            objects.scores.tolist(),
            meta['classes'],
            meta['palette'],
            masks,
            OPACITY,
        )


def use_writers(config: Config, out: str | None, show_dir: str | None) -> None:
    """Puts into a segmentation's config what writes. Raises UserError where nothing in it can."""
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    writing = [evaluator for evaluator in evaluators if evaluator.type in ('IoUMetric', 'ClassIoUMetric')]
    if out and not writing:
        raise UserError(
            f'--out: label maps are written by IoUMetric, and the test_evaluator of the config is '
            f'{", ".join(evaluator.type for evaluator in evaluators)}'
        )
    for evaluator in writing if out else ():
        evaluator.type = 'LabelMapMetric'
    if show_dir:
        config.default_hooks['visualization'] = ConfigDict(
            type='PaintedImageHook', pipeline=config.test_dataloader.dataset.pipeline
        )


def prepare_files(runner: Runner, out: str | None, show_dir: str | None, overwrite: bool) -> None:
    """Names what will be written, and refuses what is in the way.

    Raises:
        UserError: a file that is not this command's own would be overwritten.
    """
    paths = image_paths(runner.test_dataloader.dataset)
    names = {str(file): name for name, file in names_below(list(map(Path, paths))).items()}
    names = {path: names[str(Path(path))] for path in paths}
    writers = [(out, writer) for writer in runner.test_evaluator.metrics if isinstance(writer, LabelMapMetric)]
    writers += [(show_dir, writer) for writer in runner.hooks if isinstance(writer, PaintedImageHook)]
    for folder, writer in writers:
        writer.outputs, writer.names = Outputs(Path(folder), 'test', overwrite), names
        writer.outputs.refuse_existing((f'{name}.png' for name in names.values()), map(Path, paths))
    barrier()  # no process begins to write before all have looked


def image_paths(dataset: Dataset) -> list[str]:
    """Of all images of a data set of the OpenMMLab family."""
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
