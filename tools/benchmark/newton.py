"""What T of Newton's iteration and eps do to whitening (Section 3.4 of the paper), eigendecomposition beside it.

sw_mmseg/commands/benchmark/newton.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark newton'))
