"""Draws the style pictures strokes, mosaic and hatching: see sw_mmseg/commands/dataset_converters/styles.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters styles'))
