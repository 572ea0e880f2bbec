"""Unpacks and counts Cityscapes: see sw_mmseg/commands/dataset_converters/cityscapes.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters cityscapes'))
