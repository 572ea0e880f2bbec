"""What docs/choose.md advises, measured on photographs, on one CPU core.

sw_mmseg/commands/analysis/photographs_choices.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis photographs_choices'))
