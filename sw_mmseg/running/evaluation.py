"""A test run prepared from its config, at several scales where asked, and its tables written."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict

from sw_mmseg.analysis import per_class_table, to_csv
from sw_mmseg.datasets.check_coco import coco_datasets
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs
from sw_mmseg.running.result_files import use_writers

__all__ = ['note_detections', 'prepare', 'tables', 'write_tables']

LOADERS = ('LoadImage', 'LoadImageFromFile')
DETECTIONS = 'detections'  # how the files of a detector begin
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)


def name_of(transform: dict) -> str:
    """A pipeline step's type as text."""
    return str(transform['type'])


def augmented_pipeline(pipeline: list[dict], scales: Sequence[float] = SCALES) -> list[dict]:
    """The test pipeline with its resize at every scale, plain and mirrored; labels are read as they were.

    Without a resize in the pipeline, the image's own size is scaled.
    """
    loading = [t for t in pipeline if name_of(t) in LOADERS]
    resize = next((t for t in pipeline if name_of(t) == 'Resize'), None)
    later_steps = [t for t in pipeline if t not in loading and t is not resize]
    if not loading or name_of(later_steps[-1]) != 'PackSegInputs':
        raise UserError(
            '--tta needs a test pipeline that loads an image and ends with PackSegInputs; the config has '
            f'{" > ".join(name_of(t) for t in pipeline)}'
        )
    if resize is None or 'scale' not in resize:
        factor = resize.get('scale_factor', 1.0) if resize else 1.0
        resizes = [{'type': 'Resize', 'scale_factor': s * factor, 'keep_ratio': True} for s in scales]
    else:
        resizes = [{**resize, 'scale': tuple(round(s * side) for side in resize['scale'])} for s in scales]
    flips = [{'type': 'RandomFlip', 'prob': p, 'direction': 'horizontal'} for p in (0.0, 1.0)]
    return [*loading, {'type': 'TestTimeAug', 'transforms': [resizes, flips, *([t] for t in later_steps)]}]


def prepare(config: Config, args: argparse.Namespace) -> None:
    """The command line's wishes into the config."""
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    for evaluator in evaluators:
        if evaluator.type == 'IoUMetric':
            evaluator.type = 'ClassIoUMetric'
        if args.out and evaluator.type == 'CocoMetric':
            evaluator.outfile_prefix = f'{args.out}/{DETECTIONS}'
    if config.get('default_scope') == 'mmdet':
        use_detector_options(config, args)
        return
    if config.get('default_scope', 'mmseg') != 'mmseg' and (args.out or args.show_dir):
        raise UserError('--out and --show-dir are for segmentation and detection')
    use_writers(config, args.out, args.show_dir)
    if args.tta:
        config.test_dataloader.dataset.pipeline = augmented_pipeline(
            config.test_dataloader.dataset.pipeline, config.get('tta_scales', SCALES)
        )


def use_detector_options(config: Config, args: argparse.Namespace) -> None:
    """The same of a detector, whose metric writes files of its own."""
    if args.tta:
        raise UserError('--tta is for segmentation; mmdet has a config of its own for it, tta_model')
    if args.show_dir:
        dataset = next(coco_datasets(config.test_dataloader.dataset))
        config.default_hooks.visualization = ConfigDict(type='PaintedImageHook', pipeline=dataset.pipeline)
    if args.out:
        Outputs(Path(args.out), 'test', args.overwrite).refuse_existing(
            f'{DETECTIONS}.{kind}.json' for kind in ('bbox', 'segm', 'keypoints')
        )


def tables(folder: Path, name: str, overwrite: bool) -> Outputs:
    """What writes the tables of a checkpoint; raises UserError where others are in the way."""
    outputs = Outputs(folder, 'test', overwrite)
    outputs.refuse_existing([f'{name}_metrics.json', f'{name}_iou.csv'])
    return outputs


def write_tables(outputs: Outputs, name: str, metrics: dict[str, float], class_iou: dict[str, float]) -> None:
    """Write what was measured; the metric has printed it already."""
    content = {**metrics, 'IoU': {c: None if math.isnan(v) else v for c, v in class_iou.items()}}
    outputs.write(f'{name}_metrics.json', json.dumps(content, indent=1) + '\n')
    if class_iou:
        table = per_class_table(tuple(class_iou), {'IoU': tuple(class_iou.values())})
        outputs.write(f'{name}_iou.csv', to_csv(table))
    print(f'Written to {outputs.folder}/{name}_*')


def note_detections(folder: Path) -> None:
    """Notes the files that mmdet's metric has written as this command's own."""
    for file in sorted(folder.glob(f'{DETECTIONS}.*.json')):
        Outputs(folder, 'test').record(file.name)
