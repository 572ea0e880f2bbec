"""Draws outlines (labelme, COCO, YOLO) as label files: see sw_mmseg/commands/dataset_converters/polygons.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters polygons'))
