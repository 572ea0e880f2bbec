"""What SW has learned to use: see sw_mmseg/commands/analysis/importance_ratios.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis importance_ratios'))
