"""What a network trips over between the two domains of streets, one part of the step at a time.

sw_mmseg/commands/analysis/domain_gap.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis domain_gap'))
