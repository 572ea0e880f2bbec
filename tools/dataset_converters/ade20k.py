"""Unpacks and counts ADE20K: see sw_mmseg/commands/dataset_converters/ade20k.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters ade20k'))
