"""Find what keeps this machine, your data or a checkpoint from working.

sw_mmseg/commands/doctor.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('doctor'))
