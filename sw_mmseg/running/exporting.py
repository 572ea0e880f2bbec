"""Trained segmentors as files that run elsewhere, and what they give there compared with what they give here."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.evaluation.metrics import IoUMetric
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import DATASETS
from torch import nn

from sw_mmseg.models.deployed import DeployedSegmentor, LooksAt
from sw_mmseg.models.timm_features import TimmFeatures
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.running.data_sets import reads_labels
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.export_formats import Run
from sw_mmseg.running.prediction import build_pipeline, test_pixels
from sw_mmseg.whitening import fold_model, for_inference
from sw_mmseg.whitening.layer import SwitchWhiten

__all__ = [
    'Difference',
    'beside_prediction',
    'compare',
    'deployed',
    'description',
    'example_images',
    'labelled_images',
    'made_ready',
    'mean_iou',
    'scaled_to',
    'reading',
]

VOID = 255  # where an image has no label


class Difference(NamedTuple):
    """Of one image: largest difference of the logits, share of pixels with another label, seconds of both."""

    size: tuple[int, int]  # width, height
    logits: float
    labels: float
    seconds: float
    seconds_here: float


def deployed(config: Config, model: nn.Module) -> DeployedSegmentor:
    """The network that `model` predicts with, and its preprocessing in it.

    Raises:
        UserError: it is none that looks at whole images, or the config prepares images as no exported graph does.
    """
    segmentor = _predicting(model)
    if not isinstance(segmentor, EncoderDecoder) or segmentor.out_channels < 2:
        raise UserError('export is for segmentors of two or more classes')
    if segmentor.test_cfg.get('mode', 'whole') != 'whole':
        raise UserError(
            'the config predicts in windows (test_cfg mode slide), which no exported graph does: export it with '
            '--cfg-options for mode=whole, and compare its scores first'
        )
    for module in list(segmentor.modules()):
        if isinstance(module, TimmFeatures):
            module.merge()
    settings = config.model.data_preprocessor
    padding = settings.get('test_cfg') or {}
    if padding.get('size') or padding.get('size_divisor', 1) not in (None, 1):
        raise UserError(
            f'the preprocessor pads tested images (test_cfg {dict(padding)}), which no exported graph does: export it '
            'with --cfg-options for test_cfg=None, and compare its scores first'
        )
    mean, std = settings.get('mean') or [0.0] * 3, settings.get('std') or [1.0] * 3
    rgb = bool(settings.get('bgr_to_rgb') or settings.get('rgb_to_bgr'))  # either turns what a reader gives, BGR
    return DeployedSegmentor(segmentor, list(mean), list(std), rgb, _looks_at(config)).eval()


def _predicting(model: nn.Module) -> nn.Module:
    """What `model` passes images through: a teacher where it says so, the source's running statistics likewise."""
    if getattr(model, 'evaluate_model', None) == 'teacher':
        return model.teacher.network
    segmentor = unwrap(getattr(model, 'segmentor', model))
    if getattr(model, 'evaluate_with', None) != 'source':
        return segmentor
    with model.statistics.set_of(segmentor, 'source'):
        return copy.deepcopy(segmentor)


def _looks_at(config: Config) -> LooksAt | None:
    steps = [step for step in config.test_dataloader.dataset.pipeline if not reads_labels(step)]
    names = [str(getattr(step['type'], '__name__', step['type'])).rpartition('.')[2] for step in steps]
    unknown = [name for name in names if not name.startswith(('LoadImage', 'Pack')) and 'Resize' not in name]
    if unknown or sum('Resize' in name for name in names) > 1:
        raise UserError(
            f'the test pipeline is {", ".join(names)}; export knows readers, one Resize and PackSegInputs: leave out '
            f'{unknown[0] if unknown else "a Resize"}, and compare its scores first'
        )
    resize = next((step for step in steps if 'Resize' in str(step['type'])), None)
    if resize is None:
        return None
    scale, way = resize.get('scale'), resize.get('interpolation', 'bilinear')
    if resize['type'] != 'Resize' or not isinstance(scale, (tuple, list)) or way != 'bilinear':
        raise UserError(
            f'the test pipeline scales by {dict(resize)}; export knows bilinear Resize, with a scale of two numbers'
        )
    keep_ratio = bool(resize.get('keep_ratio', False))
    long, short = (max(scale), min(scale)) if keep_ratio else scale
    return LooksAt(int(long), int(short), keep_ratio)


def made_ready(model: DeployedSegmentor, threshold: float) -> tuple[DeployedSegmentor, int, int]:
    """The module as every format takes it, and how many of how many switchable layers were folded.

    Switchable layers whose image ratios add up to `threshold` at most become part of convolutions, the others
    `InferenceWhiten`. This is the one place where a network is changed for export.
    """
    count = sum(isinstance(module, SwitchWhiten) for module in model.modules())
    if not count:
        return model, 0, 0
    try:
        model, reports = fold_model(model, threshold, strict=False)
    except ValueError:  # none of them can
        reports = []
    return for_inference(model), len(reports), count


def reading(config: Config) -> str:
    """What the config's reader makes of deep files and of files of many bands, which is not in an exported file; empty
    where it makes nothing of them."""
    load = next((step for step in config.test_dataloader.dataset.pipeline if 'LoadImage' in str(step['type'])), {})
    bands, white = load.get('bands'), load.get('white')
    words = [] if bands is None else [f'bands {", ".join(map(str, bands))} (from 0) are red, green and blue']
    return ', '.join(words + ([] if white is None else [f'{white:g} becomes 255']))


def description(kind: str, meta: dict, size: tuple[int, int] | None = None, read: str = '') -> str:
    """What stands beside the file, as JSON: classes, palette, and what goes in and out; `size`, width and height, where
    the file takes no other; `read` as `reading` gives it."""
    height, width = ('height', 'width') if size is None else (size[1], size[0])
    content = {
        'format': kind,
        'classes': list(meta['classes']),
        'palette': [list(color) for color in meta['palette']],
        'input': f'image: uint8 (1, {height}, {width}, 3), RGB'
        + (', any size' if size is None else '')
        + (f'; of files, {read}' if read else ''),
        'outputs': [f'labels: uint8 (1, {height}, {width})', f'logits: float32 (1, classes, {height}, {width})'],
    }
    return json.dumps(content, indent=1) + '\n'


def example_images(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """(1, H, W, 3) uint8: two of `images` (H, W, 3) whose sizes differ, or one and a part of it; noise without any."""
    first = images[0] if images else np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    other = next((image for image in images if image.shape != first.shape), None)
    if other is None:
        height, width = first.shape[:2]
        other = first[: max(32, 7 * height // 8), : max(32, 3 * width // 4)]
    return [np.ascontiguousarray(image[None]) for image in (first, other)]


@torch.no_grad()
def compare(run: Run, model: nn.Module, images: Sequence[np.ndarray]) -> Iterator[Difference]:
    """What `run` gives, beside what `model` gives, for each image (1, H, W, 3)."""
    for image in images:
        run(image)  # warm
        start = time.perf_counter()
        labels, logits = run(image)
        middle = time.perf_counter()
        labels_here, logits_here = (output.numpy() for output in model(torch.from_numpy(image)))
        end = time.perf_counter()
        yield Difference(
            (image.shape[2], image.shape[1]),
            float(np.abs(logits - logits_here).max()),
            float((labels != labels_here).mean()),
            middle - start,
            end - middle,
        )


@torch.no_grad()
def beside_prediction(
    config: Config, model: nn.Module, whole: DeployedSegmentor, images: Sequence[np.ndarray]
) -> tuple[float, float]:
    """The largest difference of the logits, and of the share of labels, that `whole` gives for images (1, H, W, 3) and
    that `model` gives by the config's own test pipeline and preprocessor, as `predict` does."""
    pipeline = build_pipeline(config.test_dataloader.dataset.pipeline, from_file=False)
    logits, labels = 0.0, 0.0
    for image in images:
        sample = test_pixels(model, pipeline, np.ascontiguousarray(image[0, ..., ::-1]))
        labels_here, logits_here = whole(torch.from_numpy(image))
        logits = float(np.maximum(logits, (sample.seg_logits.data - logits_here[0]).abs().max()))  # NaN stays
        other = sample.pred_sem_seg.data.squeeze(0) != labels_here[0]
        labels = max(labels, float(other.float().mean()))
    return logits, labels


def labelled_images(dataset: dict) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every image (1, H, W, 3) uint8, RGB, of a data set's config, and its labels (H, W), 255 where there is none."""
    steps = [step for step in dataset['pipeline'] if 'LoadImage' in str(step['type']) or reads_labels(step)]
    built = DATASETS.build({**dataset, 'pipeline': steps})
    for index in range(len(built)):
        item = built[index]
        yield np.ascontiguousarray(item['img'][None, ..., ::-1]), item['gt_seg_map']


def scaled_to(run: Run, size: tuple[int, int] | None) -> Run:
    """`run` for images of any size, of a file that takes one, width and height: they are scaled to it, and labels back
    to theirs. As it is for a file that takes any."""
    if size is None:
        return run

    def scaled(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = image.shape[1:3]
        if (width, height) == tuple(size):
            return run(image)
        labels, logits = run(np.ascontiguousarray(cv2.resize(image[0], size, interpolation=cv2.INTER_LINEAR)[None]))
        return cv2.resize(labels[0], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)[None], logits

    return scaled


def mean_iou(run: Run, data: Iterable[tuple[np.ndarray, np.ndarray]], classes: int) -> float:
    """Of the labels that `run` gives, in percent, over the classes that occur in them or in `data`."""
    areas = [
        IoUMetric.intersect_and_union(torch.from_numpy(run(image)[0][0]), torch.from_numpy(labels), classes, VOID)[:2]
        for image, labels in data
    ]
    shared, joined = (torch.stack(parts).sum(0) for parts in zip(*areas))
    return float(100 * (shared / joined).nanmean())
