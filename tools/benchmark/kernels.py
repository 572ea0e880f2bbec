"""The Triton kernels of a whitening layer: see sw_mmseg/commands/benchmark/kernels.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark kernels'))
