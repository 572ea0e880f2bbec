"""Writes Cityscapes' instances in COCO's format: see sw_mmseg/commands/dataset_converters/cityscapes_instances.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters cityscapes_instances'))
