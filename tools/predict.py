"""Segment your own images: see sw_mmseg/commands/predict.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('predict'))
