"""What adaptation costs: see sw_mmseg/commands/benchmark/adaptation_step.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark adaptation_step'))
