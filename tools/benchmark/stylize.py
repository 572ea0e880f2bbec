"""Time and memory of stylising one large picture with one norm or another, as ratios to IN in the same run.

sw_mmseg/commands/benchmark/stylize.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark stylize'))
