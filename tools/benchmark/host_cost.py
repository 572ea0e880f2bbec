"""What a layer on the Triton path costs the host: see sw_mmseg/commands/benchmark/host_cost.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark host_cost'))
