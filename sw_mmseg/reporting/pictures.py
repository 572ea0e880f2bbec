"""Predictions of several runs on the same pictures, for the report: label maps beside the truth, detections, or
contents in a style."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from torch.utils.data import Dataset

from sw_mmseg.datasets import read_image
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import innermost
from sw_mmseg.stylization import stylise, to_uint8

__all__ = ['detected', 'detects', 'groups', 'segmented', 'segments', 'small', 'spread', 'stylised', 'stylises']

LARGEST = 640  # pixels a side of a picture in the report
STYLISED = 256  # pixels a side of a stylised one

Row = dict[str, np.ndarray]  # title -> H×W×3 photograph or H×W label map


def segments(config: Config) -> bool:
    """Whether a run's network labels pixels."""
    return (
        config.get('default_scope', 'mmseg') == 'mmseg'
        and 'test_dataloader' in config
        and 'IoU' in str(config.get('test_evaluator'))
    )


def detects(config: Config) -> bool:
    """Whether a run's network finds things."""
    return config.get('default_scope') == 'mmdet' and 'test_dataloader' in config


def stylises(config: Config) -> bool:
    """Whether a run's network paints pictures in a style."""
    return config.get('model', {}).get('type') == 'Stylizer' and 'train_dataloader' in config


def groups(runs: list[Run], kind: Callable[[Config], bool]) -> list[list[Run]]:
    """Runs of one kind that have checkpoints, those with the same pictures together."""
    data_runs: dict[str, list[Run]] = {}
    for run in runs:
        if kind(run.config) and run.checkpoint is not None:
            loader = run.config.get('test_dataloader') or run.config.train_dataloader
            data_runs.setdefault(str(loader.dataset), []).append(run)
    return list(data_runs.values())


def small(picture: np.ndarray) -> np.ndarray:
    """Every n-th pixel, so that no side is longer than `LARGEST`; labels stay labels."""
    step = -(-max(picture.shape[:2]) // LARGEST)
    return np.ascontiguousarray(picture[::step, ::step])


def spread(dataset: Dataset, count: int) -> list[int]:
    """Indices evenly spread over a data set; raises UserError where it is empty."""
    if not len(dataset):
        raise UserError('there are no test pictures')
    return sorted({round(index) for index in np.linspace(0, len(dataset) - 1, min(count, len(dataset)))})


@torch.no_grad()
def segmented(runs: list[Run], count: int) -> tuple[list[Row], dict]:
    """Picture, truth and every run's labels; classes and palette of the data set.

    Raises:
        UserError: the pictures are not there, or a checkpoint does not fit.
    """
    config = runs[0].config
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = build('test pictures', lambda: DATASETS.build(config.test_dataloader.dataset))
    items = [dataset[index] for index in spread(dataset, count)]
    rows: list[Row] = []
    for item in items:
        bgr = item['inputs'].numpy().transpose(1, 2, 0)
        row = {'picture': small(np.ascontiguousarray(bgr[..., ::-1]))}
        if 'gt_sem_seg' in item['data_samples']:
            row['truth'] = small(item['data_samples'].gt_sem_seg.data.squeeze(0).numpy().astype(np.uint8))
        rows.append(row)
    for run in runs:
        model = network(run)
        for row, item in zip(rows, items):
            (sample,) = model.test_step({'inputs': [item['inputs']], 'data_samples': [item['data_samples']]})
            row[run.label] = small(sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8))
    return rows, dataset.metainfo


def detected(runs: list[Run], count: int, score: float = 0.3) -> list[Row]:
    """Picture and every run's detections, of a score of at least `score`.

    Raises:
        UserError, DatasetError: the pictures are not there, or a checkpoint does not fit.
    """
    from sw_mmseg.running.detection import DetectionPainter

    config = runs[0].config
    init_default_scope('mmdet')
    source = innermost(config.test_dataloader.dataset).copy()
    dataset = build('test pictures', lambda: DATASETS.build({**source, 'pipeline': []}))
    files = [dataset.get_data_info(index)['img_path'] for index in spread(dataset, count)]
    images = [read_image(file).pixels for file in files]
    rows: list[Row] = [{'picture': small(image[..., ::-1])} for image in images]
    for run in runs:
        options = argparse.Namespace(checkpoint=str(run.checkpoint), device='cpu', opacity=0.45, score=score)
        painter = DetectionPainter(options, run.config)
        for row, image in zip(rows, images):
            row[run.label] = small(np.ascontiguousarray(painter(image)[..., ::-1]))
    return rows


def stylised(runs: list[Run], count: int) -> list[Row]:
    """Contents that the runs trained on, whole squares of them, and every run's picture of each.

    Raises:
        UserError, PictureError: the pictures are not there, or a checkpoint does not fit.
    """
    from sw_mmseg.running.style_files import load_network

    contents = innermost(runs[0].config.train_dataloader.dataset).copy()
    dataset = build('contents', lambda: DATASETS.build({**contents, 'crop': 'middle', 'size': STYLISED}))
    pictures = [dataset[index]['inputs'] for index in range(min(count, len(dataset)))]
    rows: list[Row] = [{'picture': to_uint8(picture)} for picture in pictures]
    for run in runs:
        model = load_network(str(run.checkpoint))
        for row, picture in zip(rows, pictures):
            row[run.label] = to_uint8(stylise(model, picture[None])[0])
    return rows
