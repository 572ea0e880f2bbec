"""Give a trained network the running statistics of the target.

sw_mmseg/commands/analysis/reestimate_statistics.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis reestimate_statistics'))
