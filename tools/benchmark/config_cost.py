"""GPU hours and memory of a row of the paper: see sw_mmseg/commands/benchmark/config_cost.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark config_cost'))
