"""Draws outlines as label files: `python tools/dataset_converters/polygons.py IMAGES LABELS OUT`.

LABELS is a folder of labelme's files (one JSON an image), of YOLO's for segmentation (one text an image), or COCO's
annotation file. OUT gets a PNG with one id a pixel for every image, and classes.yaml, which names the ids. What lies in
no outline is background, 0.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sw_mmseg.datasets import write_class_table
from sw_mmseg.datasets.polygons import draw_polygons
from sw_mmseg.files import whole_file
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import refuse_among_inputs

NOTE = '.polygons'  # in OUT while label files are drawn


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', help='folder of the images')
    parser.add_argument('labels', help="folder of labelme's or YOLO's files, or COCO's file")
    parser.add_argument('out', type=Path, help='a new or empty folder')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Draw and write; what a stopped call left is drawn anew by the same one."""
    for inputs in (args.images, args.labels):
        refuse_among_inputs(args.out, Path(inputs))
    with alone_in(args.out), unfinished(args):
        table, _, notes = draw_polygons(args.images, args.labels, args.out)
        write_class_table(table, args.out / 'classes.yaml')
    for note in notes:
        print(note)
    return 0


@contextlib.contextmanager
def unfinished(args: argparse.Namespace) -> Iterator[None]:
    """Notes in OUT what it is made of, until all is there.

    Raises:
        UserError: OUT holds something else than what a stopped call of the same command left.
    """
    inputs = [Path(args.images), Path(args.labels)]
    note, call = args.out / NOTE, b'\n'.join(os.fsencode(path.resolve()) for path in inputs)
    goes_on = note.is_file() and note.read_bytes() == call
    if args.out.exists() and not goes_on and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UserError(f'{args.out} holds something already: give a new or an empty folder')
    with whole_file(note) as part:
        part.write_bytes(call)
    try:
        yield
    except BaseException:
        if list(args.out.iterdir()) == [note]:
            note.unlink()
        raise
    note.unlink()
