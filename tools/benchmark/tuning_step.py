"""What a step of a vision transformer costs, trained whole or frozen but for LoRA, tokens or the decoder.

sw_mmseg/commands/benchmark/tuning_step.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark tuning_step'))
