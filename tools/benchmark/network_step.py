"""A training step of whole networks with one norm or another, and the paper's Table 5 with ours beside it.

sw_mmseg/commands/benchmark/network_step.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark network_step'))
