"""Test a checkpoint: `tools/test.py CONFIG CHECKPOINT`. Several GPUs: tools/dist_test.sh.

Prints the per-class IoU table and writes it to the work directory: NAME_iou.csv, NAME_metrics.json, where NAME is the
checkpoint's. With --out and --show-dir the sub-folders of the images are kept. Files that exist are not written over
without --overwrite, unless an earlier call wrote them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmseg.models.segmentors import SegTTAModel

from sw_mmseg.datasets.check_coco import check_coco, coco_datasets
from sw_mmseg.engine import ClassIoUMetric
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.running.blending import add_blend, blend_suffix, blended
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.running.command_line import add_common_arguments
from sw_mmseg.running.configs import build, load_config, require_test_data
from sw_mmseg.running.evaluation import note_detections, prepare, tables, write_tables
from sw_mmseg.running.outputs import add_overwrite
from sw_mmseg.running.result_files import prepare_files
from sw_mmseg.running.streets import use_streets


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config the network was trained with')
    parser.add_argument('checkpoint', help='a .pth file of its work directory')
    add_common_arguments(parser)
    parser.add_argument(
        '--out', metavar='DIR', help="write predicted train ids there, one PNG an image, or a detector's JSON files"
    )
    parser.add_argument('--show-dir', metavar='DIR', help='write predictions drawn over the images there')
    add_overwrite(parser)
    parser.add_argument(
        '--tta',
        action='store_true',
        help='average over the image at several scales (tta_scales of the config), each also mirrored',
    )
    add_blend(parser)
    parser.add_argument('--streets', action='store_true', help='of a checkpoint that train.py --streets wrote')
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Parse, test, write."""
    config = load_config(
        args.config, args.cfg_options, args.work_dir, args.launcher, norm=args.norm, network=args.network
    )
    if args.streets:
        use_streets(config)
        config.merge_from_dict(args.cfg_options)
        config.work_dir = args.work_dir or f'{config.work_dir}_streets'
    require_test_data(config, args.config)
    for part in coco_datasets(config.test_dataloader.dataset):
        check_coco(part, decode=1)
    prepare(config, args)
    name = Path(args.checkpoint).stem + ('_tta' if args.tta else '') + blend_suffix(args.blend)
    outputs = tables(Path(config.work_dir), name, args.overwrite)
    config.load_from, config.resume = None, False
    runner = build('model', lambda: Runner.from_cfg(config))
    model = unwrap(runner.model)
    load_weights(model, args.checkpoint)
    if args.tta:
        if not hasattr(model, 'out_channels'):
            model.out_channels = model.segmentor.out_channels  # what SegTTAModel asks of the network it wraps
        runner.model = SegTTAModel(module=model)
    build('data', lambda: runner.test_dataloader)
    if args.out or args.show_dir:
        prepare_files(runner, args.out, args.show_dir, args.overwrite)
    with blended(model, args.blend):
        metrics = {key: float(value) for key, value in runner.test().items()}
    if is_main_process():
        class_scores = [m.class_iou for m in runner.test_evaluator.metrics if isinstance(m, ClassIoUMetric)]
        if args.out:
            note_detections(Path(args.out))
        write_tables(outputs, name, metrics, class_scores[0] if class_scores else {})
    return 0
