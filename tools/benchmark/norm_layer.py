"""Time and memory of norm layers, as ratios to `nn.BatchNorm2d` in the same run.

sw_mmseg/commands/benchmark/norm_layer.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark norm_layer'))
