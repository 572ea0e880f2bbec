"""Which norm transfers style best, as far as a CPU can tell: see sw_mmseg/commands/analysis/style_study.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis style_study'))
