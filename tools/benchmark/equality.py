"""Whether a device computes the layer as fp64 does: see sw_mmseg/commands/benchmark/equality.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark equality'))
