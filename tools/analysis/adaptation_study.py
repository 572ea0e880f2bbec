"""What SW adds to domain adaptation, measured: see sw_mmseg/commands/analysis/adaptation_study.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis adaptation_study'))
