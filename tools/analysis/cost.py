"""Table 1 of the paper, measured: see sw_mmseg/commands/analysis/cost.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis cost'))
