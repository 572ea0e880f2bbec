"""Trained segmentors as files that run elsewhere, and what they give there compared with what they give here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from sw_mmseg.models.deployed import DeployedSegmentor, LooksAt
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.onnx_function import DOMAIN, add_functions, with_nodes
from sw_mmseg.whitening import fold_model, for_inference
from sw_mmseg.whitening.layer import SwitchWhiten

__all__ = [
    'FORMATS',
    'Difference',
    'compare',
    'deployed',
    'description',
    'example_images',
    'folded',
    'runner_of',
    'save',
]

FORMATS = {'onnx': '.onnx', 'torchscript': '.pt'}
OPSET = 17
Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # image (1, H, W, 3) -> labels, logits


class Difference(NamedTuple):
    """Of one image: largest difference of the logits, share of pixels with another label, seconds of both."""

    size: tuple[int, int]  # width, height
    logits: float
    labels: float
    seconds: float
    seconds_here: float


def deployed(config: Config, model: nn.Module) -> DeployedSegmentor:
    """The network with its preprocessing in it. Raises UserError where it is none that looks at whole images."""
    segmentor = unwrap(getattr(model, 'segmentor', model))
    if not isinstance(segmentor, EncoderDecoder) or segmentor.out_channels < 2:
        raise UserError('export is for segmentors of two or more classes')
    if segmentor.test_cfg.get('mode', 'whole') != 'whole':
        raise UserError(
            'the config predicts in windows (test_cfg mode slide), which no exported graph does: export it with '
            '--cfg-options for mode=whole, and compare its scores first'
        )
    settings = config.model.data_preprocessor
    mean, std = settings.get('mean') or [0.0] * 3, settings.get('std') or [1.0] * 3
    return DeployedSegmentor(
        segmentor, list(mean), list(std), bool(settings.get('bgr_to_rgb')), _looks_at(config)
    ).eval()


def _looks_at(config: Config) -> LooksAt | None:
    resize = next((s for s in config.test_dataloader.dataset.pipeline if 'Resize' in str(s['type'])), None)
    if resize is None:
        return None
    scale = resize.get('scale')
    if resize['type'] != 'Resize' or not isinstance(scale, (tuple, list)):
        raise UserError(f'the test pipeline scales by {dict(resize)}; export knows Resize with a scale of two numbers')
    keep_ratio = bool(resize.get('keep_ratio', False))
    long, short = (max(scale), min(scale)) if keep_ratio else scale
    return LooksAt(int(long), int(short), keep_ratio)


def folded(model: DeployedSegmentor, threshold: float) -> tuple[DeployedSegmentor, int, int]:
    """The module with switchable layers in its convolutions, where their image ratios add up to `threshold` at most;
    how many were folded, and how many there are."""
    count = sum(isinstance(module, SwitchWhiten) for module in model.modules())
    if not count:
        return model, 0, 0
    try:
        model, reports = fold_model(model, threshold, strict=False)
    except ValueError:  # none of them can
        reports = []
    return for_inference(model), len(reports), count


def save(model: DeployedSegmentor, file: Path, kind: str) -> None:
    """Writes the file, whatever its name ends with."""
    example = torch.zeros(1, 96, 128, 3, dtype=torch.uint8)
    with torch.no_grad():
        if kind == 'torchscript':
            torch.jit.trace(model, (example,), check_trace=False).save(str(file))
        else:
            sides = {1: 'height', 2: 'width'}
            torch.onnx.export(
                with_nodes(model),
                (example,),
                str(file),
                dynamo=False,  # the newer exporter takes minutes to reason about sizes that may be any
                input_names=['image'],
                output_names=['labels', 'logits'],
                dynamic_axes={'image': sides, 'labels': sides, 'logits': {2: 'height', 3: 'width'}},
                opset_version=OPSET,
                custom_opsets={DOMAIN: 1},
            )
            add_functions(file, OPSET)


def description(kind: str, meta: dict) -> str:
    """What stands beside the file, as JSON: classes, palette, and what goes in and out."""
    content = {
        'format': kind,
        'classes': list(meta['classes']),
        'palette': [list(color) for color in meta['palette']],
        'input': 'image: uint8 (1, height, width, 3), RGB, any size',
        'outputs': ['labels: uint8 (1, height, width)', 'logits: float32 (1, classes, height, width)'],
    }
    return json.dumps(content, indent=1) + '\n'


def runner_of(file: Path, kind: str) -> Run | None:
    """What runs the file, on the CPU; None where ONNX Runtime is not installed."""
    if kind == 'torchscript':
        module = torch.jit.load(str(file))
        return lambda image: tuple(output.numpy() for output in module(torch.from_numpy(image)))
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
    return lambda image: tuple(session.run(None, {'image': image}))


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
