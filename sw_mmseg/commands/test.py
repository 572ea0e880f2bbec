"""Test a checkpoint: `tools/test.py CONFIG CHECKPOINT`. Several GPUs: tools/dist_test.sh.

Prints the per-class IoU table and writes it to the work directory: NAME_iou.csv, NAME_metrics.json, where NAME is the
checkpoint's.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.models.segmentors import SegTTAModel

from sw_mmseg.analysis import per_class_table, to_csv
from sw_mmseg.datasets.check_coco import check_coco, coco_datasets
from sw_mmseg.engine import ClassIoUMetric
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.streets import use_streets

LOADERS = ('LoadImage', 'LoadImageFromFile')
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    add_common_arguments(parser)
    parser.add_argument('--out', metavar='DIR',
                        help="write predicted train ids there, one PNG an image, or a detector's JSON files")
    parser.add_argument('--show-dir', metavar='DIR', help='write predictions drawn over the images there')
    parser.add_argument('--tta', action='store_true',
                        help="average over the image at several scales (tta_scales of the config), each also mirrored")
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    return parser.parse_args(arguments)


def name_of(transform: dict) -> str:
    """A pipeline step's type as text."""
    return str(transform['type'])


def augmented_pipeline(pipeline: list[dict], scales: Sequence[float] = SCALES) -> list[dict]:
    """The test pipeline with its resize at every scale, plain and mirrored; labels are read as they were.

    Without a resize in the pipeline, the image's own size is scaled.
    """
    loading = [t for t in pipeline if name_of(t) in LOADERS]
    resize = next((t for t in pipeline if name_of(t) == 'Resize'), None)
    rest = [t for t in pipeline if t not in loading and t is not resize]
    if not loading or name_of(rest[-1]) != 'PackSegInputs':
        raise UserError('--tta needs a test pipeline that loads an image and ends with PackSegInputs; the config has '
                        f'{" > ".join(name_of(t) for t in pipeline)}')
    if resize is None or 'scale' not in resize:
        factor = resize.get('scale_factor', 1.0) if resize else 1.0
        resizes = [{'type': 'Resize', 'scale_factor': s * factor, 'keep_ratio': True} for s in scales]
    else:
        resizes = [{**resize, 'scale': tuple(round(s * side) for side in resize['scale'])} for s in scales]
    flips = [{'type': 'RandomFlip', 'prob': p, 'direction': 'horizontal'} for p in (0.0, 1.0)]
    return [*loading, {'type': 'TestTimeAug', 'transforms': [resizes, flips, *([t] for t in rest)]}]


def prepare(config: Config, args: argparse.Namespace) -> None:
    """The command line's wishes into the config."""
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    for evaluator in evaluators:
        if evaluator.type == 'IoUMetric':
            evaluator.type = 'ClassIoUMetric'
        if args.out and evaluator.type == 'CocoMetric':
            evaluator.outfile_prefix = f'{args.out}/detections'
        elif args.out:
            evaluator.output_dir = args.out
            Path(args.out).mkdir(parents=True, exist_ok=True)  # mmseg makes it in one process, and all write
    if args.show_dir:
        hook = config.default_hooks.setdefault('visualization', ConfigDict(type='SegVisualizationHook'))
        hook.update(draw=True, interval=1)
        config.visualizer.save_dir = args.show_dir
        config.visualizer.name = f'pictures in {args.show_dir}'  # mmengine shares visualizers of one name
    if args.tta:
        if config.get('default_scope') == 'mmdet':
            raise UserError('--tta is for segmentation; mmdet has a config of its own for it, tta_model')
        config.test_dataloader.dataset.pipeline = augmented_pipeline(
            config.test_dataloader.dataset.pipeline, config.get('tta_scales', SCALES))


def write_tables(folder: Path, name: str, metrics: dict[str, float], class_iou: dict[str, float]) -> None:
    """Write what was measured; the metric has printed it already."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**metrics, 'IoU': {c: None if math.isnan(v) else v for c, v in class_iou.items()}}
    (folder / f'{name}_metrics.json').write_text(json.dumps(content, indent=1) + '\n')
    if class_iou:
        table = per_class_table(tuple(class_iou), {'IoU': tuple(class_iou.values())})
        (folder / f'{name}_iou.csv').write_text(to_csv(table))
    print(f'Written to {folder}/{name}_*')


def main(args: argparse.Namespace) -> int:
    """Parse, test, write."""
    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.streets:
        use_streets(config)
        config.merge_from_dict(args.cfg_options)
        config.work_dir = args.work_dir or f'{config.work_dir}_streets'
    for part in coco_datasets(config.test_dataloader.dataset):
        check_coco(part, decode=1)
    prepare(config, args)
    config.load_from, config.resume = None, False
    runner = build('model', lambda: Runner.from_cfg(config))
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    load_weights(model, args.checkpoint)
    if args.tta:
        if not hasattr(model, 'out_channels'):
            model.out_channels = model.segmentor.out_channels  # what SegTTAModel asks of the network it wraps
        runner.model = SegTTAModel(module=model)
    build('data', lambda: runner.test_dataloader)
    metrics = {key: float(value) for key, value in runner.test().items()}
    if is_main_process():
        name = Path(args.checkpoint).stem + ('_tta' if args.tta else '')
        found = [m.class_iou for m in runner.test_evaluator.metrics if isinstance(m, ClassIoUMetric)]
        write_tables(Path(config.work_dir), name, metrics, found[0] if found else {})
    return 0
