"""Parameters and multiply-adds of a config's network, and SW's share: see sw_mmseg/commands/analysis/get_flops.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis get_flops'))
