"""Time and memory of a trained network in torch and as the files that export writes, as ratios to torch.

sw_mmseg/commands/benchmark/exported.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark exported'))
